//! What functions log is read by the deal's owner, from the peers that run them.

use crate::support::{Market, mp, text, through, until};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::UNIX_EPOCH,
};

const PEOPLE: [&str; 3] = ["provider1.json", "provider2.json", "developer.json"];

const PARAMETERS: [&str; 2] = ["report_seconds=1", "start_timeout_seconds=60"];

/// (P13)
#[test]
fn the_owner_of_a_deal_reads_and_follows_the_logs_of_its_workers() {
    let market = Market::open(1, &PEOPLE, &PARAMETERS);
    let _peers = [market.provide(1, "CH", 0), market.provide(2, "PT", 0)];
    let gateway = market.gateway(0);
    let http = through(&gateway);
    fs::write(market.path("chatter.wasm"), functions::hostile::CHATTER).expect("writes");
    let plan = "name = \"chatter\"\ncus_per_worker = 1\nmin_workers = 1\ntarget_workers = 2\nlimit_price = \"0.50\"\n\
         funds = \"50\"\n[function]\npath = \"chatter.wasm\"\n[spread]\nmax_per_provider = 1\n";
    let plan = market.write("plan.toml", plan);
    let deploy =
        |arguments: &[&str]| market.run("developer.json", &[&["deploy"], arguments].concat());
    deploy(&["apply", text(&plan), "--listen=127.0.0.1:0", &http]);
    until("two workers run", || {
        deploy(&["status", "1"])["running"] == 2
    });

    let command = |who: &str, more: &[&str]| {
        let key = market.path(who);
        let mut command = mp();
        let rpc = market.network.rpc(0);
        command.args(["--output=json", "--key", text(&key), "--rpc", rpc]);
        command.args(["deploy", "logs", "1"]).args(more);
        command
    };
    let read = |more: &[&str]| -> Vec<Value> {
        let output = command("developer.json", more).output().expect("runs");
        assert!(output.status.success(), "{output:?}");
        let lines = output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).expect("JSON"))
            .collect()
    };
    // One of them gave the first answer. Its lines are cut at 100 a second, and when that is over, it is told how many are not there.
    let mut lines = Vec::new();
    until("the second of the last line is over", || {
        let now = UNIX_EPOCH.elapsed().expect("a clock").as_secs();
        lines = read(&[]);
        let last = lines.last().and_then(|line| line["unixMs"].as_u64());
        last.is_some_and(|last| last / 1000 < now)
    });
    assert!(lines.len() >= 100, "{} lines", lines.len());
    let is_note = |line: &Value| {
        line["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("dropped "))
    };
    assert!(lines.iter().any(is_note), "{:?}", lines.last());
    assert_eq!(lines[0]["text"], "\\u{1b}[31mred");
    assert_eq!(lines[0]["source"], "stderr");
    let worker = lines[0]["worker"].to_string();
    assert_eq!(read(&["--worker", &worker]).len(), lines.len());

    // The other one was asked nothing.
    let status = deploy(&["status", "1"]);
    let mut workers = status["workers"].as_array().expect("workers").iter();
    let silent = workers.find(|one| one["id"] != lines[0]["worker"]);
    let silent = silent.expect("another")["id"].to_string();
    let said = |worker: &str| {
        let output = command("developer.json", &["--worker", worker]).output();
        let output = output.expect("runs");
        assert!(output.status.success() && output.stdout.is_empty());
        String::from_utf8(output.stderr).expect("text")
    };
    let nothing = format!("worker {silent} has written nothing yet\n");
    assert_eq!(said(&silent), nothing);
    assert_eq!(said("99"), "worker 99 of deal 1 does not run\n");
    // (P18)
    let serves = |what: &str| status["availability"][what].as_u64().expect("a share");
    assert_eq!(serves("oneServesPpb"), serves("minServePpb"));
    assert!(serves("oneServesPpb") > 999_000_000, "{status}");

    let refused = command("provider1.json", &[]).output().expect("runs");
    assert!(!refused.status.success() && refused.stdout.is_empty());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("not yours"), "{said}");

    let mut following = command("developer.json", &["--follow"]);
    let mut following = following.stdout(Stdio::piped()).spawn().expect("runs");
    let output = BufReader::new(following.stdout.take().expect("its output"));
    let mut output = output.lines().map(|line| line.expect("a line"));
    // All that there is, and then what comes.
    assert_eq!(output.by_ref().take(lines.len()).count(), lines.len());
    until("a function logs", || {
        deploy(&["invoke", "1", "/", &http])["status"] == 200
    });
    let next = output.next().expect("another line");
    assert!(next.contains("[31mred"), "{next}");
    following.kill().expect("it runs");
    following.wait().expect("it has ended");
}
