//! What somebody does who is new: the guide, to the letter, and the templates.

use crate::guide::{Guide, Step};
use crate::support::{mp, text, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// What the guide says to run that is not run as it stands: `mp` is there, and the function is built by [`build`].
const INSTALL: &str = "cargo install --path crates/cli";
const TARGET: &str = "rustup target add wasm32-wasip2";
const BUILD: &str = "cargo build --target wasm32-wasip2 --release";

/// Comes when both workers run: the first answer may be earlier.
const STATUS: &str = "mp deploy status 2";

/// Where the guide has node and gateway.
const RPC: &str = "http://127.0.0.1:8545";
const GATEWAY: &str = "http://127.0.0.1:8080";

/// A newcomer's home folder and terminals.
struct Newcomer {
    home: TempDir,
    /// Of the second terminal.
    folder: PathBuf,
    variables: Vec<(String, String)>,
    up: Option<Child>,
}

impl Newcomer {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        Self {
            folder: home.path().to_owned(),
            variables: Vec::new(),
            home,
            up: None,
        }
    }

    /// Does what a step says; gives what it prints.
    fn follow(&mut self, step: &Step) -> String {
        let commands = step.commands.iter();
        commands.map(|command| self.enter(command)).collect()
    }

    fn enter(&mut self, command: &str) -> String {
        match command.split_once(' ') {
            _ if command == INSTALL || command == TARGET => String::new(),
            _ if command == BUILD => build(&self.folder),
            _ if command == "mp up" => self.up(),
            _ if command == STATUS => {
                let all_run = || {
                    let status = self.shell("mp deploy status 2 --output json");
                    serde_json::from_str::<Value>(&status).expect("JSON")["running"] == 2
                };
                until("two workers run", all_run);
                self.shell(command)
            }
            Some(("cd", folder)) => {
                self.folder.push(folder);
                String::new()
            }
            Some(("export", variable)) => self.export(variable),
            _ => self.shell(command),
        }
    }

    /// What everything that is started sees: `mp` on the path, a home folder, and nothing of the marketplace's.
    fn surround(&self, command: &mut Command) {
        let bin = Path::new(env!("CARGO_BIN_EXE_mp"))
            .parent()
            .expect("a folder");
        let path = env::var("PATH").expect("a path");
        command
            .env("PATH", format!("{}:{path}", text(bin)))
            .env("HOME", self.home.path())
            .env_remove("XDG_DATA_HOME")
            .env_remove("MP_KEY")
            .envs(self.variables.iter().cloned())
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
    }

    /// Everything runs; gives what it said until then. Its ports are free ones, not those of the guide.
    fn up(&mut self) -> String {
        let mut command = mp();
        self.surround(&mut command);
        command.args(["up", "--rpc-port=0", "--http-port=0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("mp runs");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        self.up = Some(child);
        let lines = output.lines().map(|line| line.expect("text"));
        let said: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let address = |what: &str| {
            let found = said.iter().find_map(|line| line.split_once(what));
            let (_, rest) = found.unwrap_or_else(|| panic!("no {what}: {said:?}"));
            rest.split([',', ' '])
                .next()
                .expect("an address")
                .to_owned()
        };
        let (rpc, gateway) = (address("validator at "), address("gateway at "));
        self.variables.push(("MP_RPC".into(), rpc));
        self.variables.push(("MP_GATEWAY".into(), gateway));
        self.as_in_the_guide(&said.join("\n"))
    }

    fn export(&mut self, variable: &str) -> String {
        let (name, value) = variable.split_once('=').expect("NAME=VALUE");
        let value = self.shell(&format!("printf %s {value}"));
        self.variables.push((name.to_owned(), value));
        String::new()
    }

    fn shell(&self, command: &str) -> String {
        let mut shell = Command::new("sh");
        self.surround(&mut shell);
        let gateway = self.variables.iter().find(|(name, _)| name == "MP_GATEWAY");
        let here = match gateway {
            Some((_, gateway)) => command.replace(GATEWAY, gateway),
            None => command.to_owned(),
        };
        let output = shell.args(["-c", &here]).output().expect("a shell");
        assert!(output.status.success(), "{command}");
        self.as_in_the_guide(&String::from_utf8(output.stdout).expect("text"))
    }

    fn as_in_the_guide(&self, said: &str) -> String {
        let place = |said: String, (name, value): &(String, String)| match name.as_str() {
            "MP_RPC" => said.replace(value, RPC),
            "MP_GATEWAY" => said.replace(value, GATEWAY),
            _ => said,
        };
        self.variables.iter().fold(said.to_owned(), place)
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        let Some(up) = &mut self.up else { return };
        let id = up.id().try_into().ok().and_then(Pid::from_raw);
        let told = id.map(|id| kill_process(id, Signal::TERM));
        if told.is_some_and(|told| told.is_ok()) {
            let _ = up.wait(); // It may have ended already.
        }
    }
}

/// Stands for a toolchain: a function of this tree that greets as the source says.
fn build(folder: &Path) -> String {
    const WORDS: &[u8] = b"Hello, world!";
    let source = fs::read_to_string(folder.join("src/lib.rs")).expect("the source");
    let (_, rest) = source.split_once("format!(\"").expect("an answer");
    let (greeting, _) = rest.split_once(" You asked for ").expect("a greeting");
    assert_eq!(
        greeting.len(),
        WORDS.len(),
        "{greeting} is not as long as it was"
    );
    let mut function = functions::HELLO.to_owned();
    let at = function.windows(WORDS.len()).position(|part| part == WORDS);
    let at = at.expect("the greeting of the function");
    function[at..at + WORDS.len()].copy_from_slice(greeting.as_bytes());
    let out = folder.join("target/wasm32-wasip2/release");
    fs::create_dir_all(&out).expect("a folder");
    fs::write(out.join("function.wasm"), function).expect("writes");
    String::new()
}

#[test]
fn the_guide_is_followed_to_the_letter() {
    let guide = Guide::open("getting-started.md");
    let (steps, mut newcomer) = (guide.steps(), Newcomer::new());
    let printed = steps.iter().map(|step| newcomer.follow(step));
    let printed: Vec<_> = printed.collect();
    for part in [
        "mp up", "mp init", "plan", "apply", "curl", "sed", "update", "rollback", "stop",
    ] {
        let has = |step: &Step| step.commands.iter().any(|command| command.contains(part));
        assert!(steps.iter().any(has), "the guide has no {part}");
    }
    guide.compare(&steps, &printed);
}

#[test]
fn the_folder_of_every_template_is_made_once_and_its_plan_is_good() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for template in ["rust", "javascript", "python", "c"] {
        let init = |output: &str| {
            let mut command = mp();
            command.args(["--output", output, "init", template, "--template", template]);
            command.current_dir(&folder).output().expect("mp runs")
        };
        let made: Value = serde_json::from_slice(&init("json").stdout).expect("JSON");
        let project = folder.path().join(template);
        let files = made["files"].as_array().expect("a list");
        let is_there = |file: &Value| project.join(file.as_str().expect("a path")).is_file();
        assert!(files.len() >= 5 && files.iter().all(is_there), "{made}");

        let again = init("text");
        let told = String::from_utf8_lossy(&again.stderr);
        assert!(
            !again.status.success() && told.contains("hint: it is there already"),
            "{told}"
        );

        let plan = project.join("plan.toml");
        let path = fs::read_to_string(&plan).expect("a plan");
        let (_, path) = path.split_once("path = \"").expect("a path");
        let function = project.join(path.split('"').next().expect("a path"));
        fs::create_dir_all(function.parent().expect("a folder")).expect("a folder");
        fs::write(&function, functions::HELLO).expect("writes");
        let alone = [
            "--output=json",
            "--rpc=http://127.0.0.1:1",
            "deploy",
            "plan",
            text(&plan),
        ];
        let shown = mp()
            .env_remove("MP_KEY")
            .args(alone)
            .output()
            .expect("mp runs");
        let shown: Value = serde_json::from_slice(&shown.stdout).expect("a plan without fault");
        assert_eq!(shown["name"], template);
    }
}
