//! Functions as toolchains make them, each asked the same here and in `wasmtime serve`.
//!
//! `cargo xtask test guests` builds the templates of `mp init` and the examples, names their folders in `MP_GUESTS` and
//! `wasmtime` in `MP_WASMTIME`. Otherwise there is one: a template with a function of this tree in place of what it builds.

use crate::support::{Market, Process, free_ports, mp, text, through, until};
use serde_json::Value;
use std::{
    env, fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Compiling JavaScript or Python takes a worker half a minute, if it was not built for release.
const PARAMETERS: [&str; 3] = [
    "epoch_seconds=20",
    "report_seconds=1",
    "start_timeout_seconds=300",
];

/// A request, and what is answered.
struct Asked {
    method: &'static str,
    path: String,
    body: &'static str,
    status: u16,
    answer: String,
    /// It needs what `wasmtime serve` does not have: what an earlier request left, or another function.
    is_ours: bool,
}

fn asked(method: &'static str, path: &str, status: u16, answer: &str) -> Asked {
    Asked {
        method,
        path: path.to_owned(),
        body: "",
        status,
        answer: answer.to_owned(),
        is_ours: false,
    }
}

fn get(path: &str, status: u16, answer: &str) -> Asked {
    asked("GET", path, status, answer)
}

fn post(path: &str, body: &'static str, status: u16, answer: &str) -> Asked {
    let asked = asked("POST", path, status, answer);
    Asked { body, ..asked }
}

fn ours(asked: Asked) -> Asked {
    let is_ours = true;
    Asked { is_ours, ..asked }
}

/// What each is asked; `gateway` is a server that they may ask themselves, which knows no deal 99.
fn requests(name: &str, gateway: &str) -> Vec<Asked> {
    let elsewhere = format!("/?{gateway}/99/");
    let ftp = "ftp://a does not answer: ftp is not asked\n";
    let both = format!("/?{gateway}/99/&ftp://a");
    let gathered = format!("{gateway}/99/: 404, 23 bytes\n{ftp}");
    let usage = "ask for /?https://example.com/&https://example.com/nothing\n";
    let html = "<h1>A <em>b</em></h1>\n&lt;script&gt;";
    match name {
        "rust" | "javascript" | "python" | "c" | "tree" => {
            let answer = "Hello, world! You asked for /any/path?q=1.\n";
            vec![get("/any/path?q=1", 200, answer)]
        }
        "hello" => vec![
            get("/ada", 200, "Good morning, ada!\n"),
            get("/?x", 200, "Good morning, world!\n"),
        ],
        "notes" => notes(),
        "fetch" => vec![
            get(&elsewhere, 404, "no such deal is served\n"),
            get("/?ftp://a", 502, ftp),
        ],
        "gather" => vec![get(&both, 200, &gathered), get("/", 400, usage)],
        "text" => vec![
            post("/", "# A *b*\n\n<script>", 200, html),
            get("/", 405, "POST a text in Markdown\n"),
        ],
        // Another function of its artifact counts for it.
        "two-functions" => vec![ours(post("/", "to be or not to be", 200, "words: 6\n"))],
        other => panic!("nothing is known to ask of {other}"),
    }
}

fn notes() -> Vec<Asked> {
    let note = r#"{"id":1,"text":"buy milk"}"#;
    let (one, all) = (format!("{note}\n"), format!("[{note}]\n"));
    let wrong = "{\"error\":\"write {\\\"text\\\": \\\"…\\\"}\"}\n";
    vec![
        get("/notes", 200, "[]\n"),
        post("/notes", r#"{"text": "buy milk"}"#, 201, &one),
        ours(get("/notes", 200, &all)),
        ours(get("/notes/1", 200, &one)),
        asked("DELETE", "/notes/1", 204, ""),
        get("/notes/1", 404, "{\"error\":\"no such note\"}\n"),
        post("/notes", "milk", 400, wrong),
        asked("PUT", "/notes", 405, "{\"error\":\"no such method\"}\n"),
    ]
}

/// Status and body of an answer.
fn ask(server: &str, asked: &Asked) -> (u16, String) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "60"]);
    curl.args(["--request", asked.method, "--write-out", "%{http_code}"]);
    if !asked.body.is_empty() {
        curl.args(["--data-binary", asked.body]);
    }
    let output = curl.arg(format!("{server}{}", asked.path)).output();
    let output = output.expect("curl");
    let said = String::from_utf8(output.stdout).expect("text");
    let (body, status) = said.split_at(said.len() - 3);
    (status.parse().expect("a status"), body.to_owned())
}

/// Folders of what was built, by name.
fn guests(market: &Market) -> Vec<(String, PathBuf)> {
    let folders = match env::var_os("MP_GUESTS") {
        Some(folders) => env::split_paths(&folders).collect(),
        None => vec![tree(market)],
    };
    let name = |folder: &Path| folder.file_name().expect("a name").to_owned();
    let named = |folder: PathBuf| (name(&folder).into_string().expect("text"), folder);
    folders.into_iter().map(named).collect()
}

/// The one that is there without any toolchain.
fn tree(market: &Market) -> PathBuf {
    let made = market.path("tree");
    let mut init = mp();
    init.args(["init", "tree", "--template", "c"]);
    init.current_dir(made.parent().expect("a folder"));
    assert!(init.output().expect("mp runs").status.success());
    fs::write(made.join("function.wasm"), functions::HELLO).expect("writes");
    made
}

/// The plan of a guest for this market: its prices are others, and the server that may be asked is its gateway.
fn plan(folder: &Path, gateway: &str) -> PathBuf {
    let plan = fs::read_to_string(folder.join("plan.toml")).expect("a plan");
    let plan = plan
        .replace("limit_price = \"0.01\"", "limit_price = \"0.50\"")
        .replace("funds = \"10\"", "funds = \"50\"")
        .replace("https://example.com", gateway);
    let here = folder.join("plan.here.toml");
    fs::write(&here, plan).expect("writes");
    here
}

/// `wasmtime serve` with a component.
struct Wasmtime {
    child: Child,
    server: String,
}

impl Wasmtime {
    fn serve(program: &Path, function: &Path) -> Self {
        let address = format!("127.0.0.1:{}", free_ports(1));
        let mut command = Command::new(program);
        command.args(["serve", "-S", "cli,config,keyvalue", "--addr", &address]);
        // What the plan of `hello` gives it.
        command
            .args(["--env", "GREETING=Good morning"])
            .arg(function);
        let child = command.stdout(Stdio::null()).spawn().expect("wasmtime");
        until("wasmtime serves", || TcpStream::connect(&address).is_ok());
        let server = format!("http://{address}");
        Self { child, server }
    }
}

impl Drop for Wasmtime {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended already.
        let _ = self.child.wait();
    }
}

/// The file that a plan deploys.
fn function(folder: &Path, plan: &Path) -> PathBuf {
    let plan: toml::Table = fs::read_to_string(plan)
        .expect("a plan")
        .parse()
        .expect("TOML");
    folder.join(plan["function"]["path"].as_str().expect("a path"))
}

/// Deploys one, asks it, and ends it.
fn is_served(market: &Market, gateway: &Process, name: &str, folder: &Path) {
    let http = format!(
        "http://{}",
        gateway.ready["http"].as_str().expect("an address")
    );
    let plan = plan(folder, &http);
    let deploy =
        |arguments: &[&str]| market.run("developer.json", &[&["deploy"], arguments].concat());
    let here = "--listen=127.0.0.1:0";
    let applied = deploy(&["apply", text(&plan), here, "--wait=5m", &through(gateway)]);
    let deal = applied["deal"].to_string();
    for each in requests(name, &http) {
        let found = ask(&format!("{http}/{deal}"), &each);
        let expected = (each.status, each.answer);
        assert_eq!(found, expected, "{name}: {} {}", each.method, each.path);
    }
    deploy(&["stop", &deal]);
    report(name, &function(folder, &plan), &applied);
    fs::remove_file(plan).expect("it was written");
}

fn report(name: &str, function: &Path, applied: &Value) {
    let size = fs::metadata(function).expect("the function").len();
    let after = &applied["answer"]["afterMs"];
    println!("{name}: {size} bytes, first answer {after} ms after it was posted");
}

/// (W2) And the same elsewhere.
#[test]
fn what_toolchains_built_answers_as_it_should() {
    let market = Market::open(1, &["provider1.json", "developer.json"], &PARAMETERS);
    let _peer = market.provide_with(1, "CH", 0, "outbound = \"any\"\n");
    let gateway = market.gateway(0);
    let http = format!(
        "http://{}",
        gateway.ready["http"].as_str().expect("an address")
    );
    let guests = guests(&market);
    assert!(!guests.is_empty(), "nothing was built");
    for (name, folder) in &guests {
        is_served(&market, &gateway, name, folder);
        let Some(program) = env::var_os("MP_WASMTIME") else {
            continue;
        };
        let plan = folder.join("plan.toml");
        let wasmtime = Wasmtime::serve(Path::new(&program), &function(folder, &plan));
        for each in requests(name, &http)
            .into_iter()
            .filter(|each| !each.is_ours)
        {
            let found = ask(&wasmtime.server, &each);
            let expected = (each.status, each.answer);
            assert_eq!(
                found, expected,
                "{name} in wasmtime: {} {}",
                each.method, each.path
            );
        }
    }
}
