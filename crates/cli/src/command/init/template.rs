//! The templates of `mp init`. Their files lie in `crates/cli/templates`; the interfaces that they are built against come
//! from `functions`.

use clap::ValueEnum;
use functions::WIT;
use serde::Serialize;

/// Which language a function is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Template {
    Rust,
    Javascript,
    Python,
    C,
}

/// The version of WASI of our interfaces, and of the engine in `componentize-js`.
const WASI: &str = "0.2.12";
const WASI_OF_JAVASCRIPT: &str = "0.2.10";

/// What a template makes.
pub(super) struct Function {
    pub(super) language: &'static str,
    /// What has to be there to build it, in words.
    needs: &'static str,
    /// The commands that build it, one a line.
    pub(super) build: &'static str,
    /// Where those leave the function.
    function: &'static str,
    /// The source that a developer changes.
    source: &'static str,
    /// All files but the plan, the README and the interfaces.
    files: &'static [(&'static str, &'static str)],
    /// The world it is built for and the version of its interfaces, if the toolchain brings none.
    world: Option<(&'static str, &'static str)>,
}

/// A file of a template: where it goes and what is in it.
macro_rules! file {
    ($folder:literal, $name:literal) => {
        file!($folder, $name, $name)
    };
    ($folder:literal, $name:literal, $goes:literal) => {
        (
            $goes,
            include_str!(concat!("../../../templates/", $folder, "/", $name)),
        )
    };
}

const WORLD: &str = include_str!("../../../templates/world.wit");

const RUST: Function = Function {
    language: "Rust",
    needs: "It needs Rust and its target for components.",
    build: "rustup target add wasm32-wasip2\ncargo build --target wasm32-wasip2 --release",
    function: "target/wasm32-wasip2/release/function.wasm",
    source: "src/lib.rs",
    files: &[
        file!("rust", "gitignore", ".gitignore"),
        file!("rust", "Cargo.toml"),
        file!("rust", "src/lib.rs"),
    ],
    world: None,
};

const JAVASCRIPT: Function = Function {
    language: "JavaScript",
    needs: "It needs Node.js 20 or newer.",
    build: "npm install\nnpm run build",
    function: "function.wasm",
    source: "function.js",
    files: &[
        file!("javascript", "gitignore", ".gitignore"),
        file!("javascript", "package.json"),
        file!("javascript", "function.js"),
    ],
    world: Some((
        include_str!("../../../templates/javascript/world.wit"),
        WASI_OF_JAVASCRIPT,
    )),
};

const PYTHON: Function = Function {
    language: "Python",
    needs: "It needs Python 3.10 or newer. What is built holds a Python of its own.",
    build: "python3 -m venv .venv\n.venv/bin/pip install -r requirements.txt\n\
            .venv/bin/componentize-py -d wit -w function componentize function -o function.wasm",
    function: "function.wasm",
    source: "function.py",
    files: &[
        file!("python", "gitignore", ".gitignore"),
        file!("python", "requirements.txt"),
        file!("python", "function.py"),
    ],
    world: Some((WORLD, WASI)),
};

const C: Function = Function {
    language: "C",
    needs: "It needs make and a clang for `wasm32-wasip2`. [wasi-sdk](https://github.com/WebAssembly/wasi-sdk) is one: `make \
            CC=/opt/wasi-sdk/bin/clang`. Any clang from version 19 does, with its `wasm-ld` and `cargo install wasm-component-ld`.",
    build: "make",
    function: "function.wasm",
    source: "function.c",
    files: &[
        file!("c", "gitignore", ".gitignore"),
        file!("c", "Makefile"),
        file!("c", "function.c"),
    ],
    world: Some((WORLD, WASI)),
};

impl Template {
    pub(super) fn function(self) -> Function {
        match self {
            Self::Rust => RUST,
            Self::Javascript => JAVASCRIPT,
            Self::Python => PYTHON,
            Self::C => C,
        }
    }
}

impl Function {
    /// Paths and texts of all files of a function of this name.
    pub(super) fn files(&self, name: &str) -> Vec<(String, String)> {
        let shared = [
            ("plan.toml", include_str!("../../../templates/plan.toml")),
            ("README.md", include_str!("../../../templates/README.md")),
        ];
        let texts = self.files.iter().chain(&shared);
        let fill = |(path, text): &(&str, &str)| ((*path).to_owned(), self.fill(text, name));
        let mut files: Vec<_> = texts.map(fill).collect();
        if let Some((world, version)) = self.world {
            files.push(("wit/world.wit".to_owned(), world.to_owned()));
            let interfaces = WIT
                .iter()
                .map(|(name, text)| (format!("wit/deps/{name}.wit"), text.replace(WASI, version)));
            files.extend(interfaces);
        }
        files
    }

    fn fill(&self, text: &str, name: &str) -> String {
        let values = [
            ("{{name}}", name),
            ("{{language}}", self.language),
            ("{{needs}}", self.needs),
            ("{{build}}", self.build),
            ("{{function}}", self.function),
            ("{{source}}", self.source),
        ];
        let put = |text: String, (key, value): (&str, &str)| text.replace(key, value);
        values.into_iter().fold(text.to_owned(), put)
    }
}
