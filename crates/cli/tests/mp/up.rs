//! `mp up`, as somebody runs it who has nothing yet.

use crate::support::mp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
};

fn amount(value: &Value) -> u128 {
    let text = value.as_str().expect("an amount");
    text.parse().expect("an amount")
}

/// (D4)
#[test]
fn the_demo_goes_the_whole_way_and_every_unit_is_somebodys() {
    let mut command = mp();
    command.args(["--output", "json", "up", "--demo"]);
    let output = command.output().expect("mp runs");
    let (said, told) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}{told}");
    let steps: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str()).collect();
    let expected = [
        "chain",
        "offer",
        "offer",
        "committed",
        "processes",
        "proven",
        "deal",
        "requests",
        "killed",
        "replaced",
        "topped_up",
        "paused",
        "resumed",
        "stopped",
        "proves_again",
        "withdrawn",
        "withdrawn",
        "claimed",
        "done",
    ];
    assert_eq!(names, expected.map(Some));
    let done = &steps[steps.len() - 1];
    let providers = [&done["providers"][0], &done["providers"][1]].map(amount);
    assert!(providers.iter().all(|paid| *paid > 0), "{done}");
    let delegator = amount(&done["delegator"]);
    assert!(delegator > 0, "{done}");
    let all = amount(&done["developer"]) + providers[0] + providers[1] + delegator;
    assert_eq!(
        all + amount(&done["escrow"]),
        amount(&done["supply"]),
        "{done}"
    );
    let claimed = &steps[steps.len() - 2];
    assert!(amount(&claimed["rewards"]) > 0, "{claimed}");
    assert_eq!(told.matches("ERROR").count(), 0, "{told}");
}

/// Starts it in a folder; gives it when everything runs, with the last two steps.
fn up(folder: &Path) -> (Child, Value, Value) {
    let mut command = mp();
    command.args([
        "--output",
        "json",
        "up",
        "--rpc-port",
        "0",
        "--http-port",
        "0",
    ]);
    command.arg("--data").arg(folder).stdout(Stdio::piped());
    let mut child = command.spawn().expect("mp runs");
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut deal = Value::Null;
    for line in stdout.lines() {
        let step: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
        match step["step"].as_str() {
            Some("deal") => deal = step,
            Some("up") => return (child, deal, step),
            _ => {}
        }
    }
    panic!("it ends: {:?}", child.wait());
}

/// Stops it as Ctrl-C or a service manager does; nothing that it started may be left.
fn stop(mut child: Child, folder: &Path) {
    let id = Pid::from_raw(child.id().try_into().expect("an id")).expect("an id");
    kill_process(id, Signal::TERM).expect("it runs");
    assert!(child.wait().expect("it ends").success());
    for peer in 1..=4 {
        let workers = fs::read_dir(folder.join(format!("peer-{peer}/workers")));
        assert_eq!(workers.expect("a folder").count(), 0, "of peer {peer}");
    }
}

#[test]
fn what_was_stopped_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (child, deal, _) = up(folder.path());
    assert_eq!((&deal["deal"], &deal["posted"]), (&1.into(), &true.into()));
    let second = mp().args(["up", "--data"]).arg(folder.path()).output();
    let told = second.expect("mp runs").stderr;
    let told = String::from_utf8_lossy(&told);
    assert!(
        told.contains("is in use") && told.contains("hint: "),
        "{told}"
    );
    stop(child, folder.path());
    let (child, deal, _) = up(folder.path());
    assert_eq!((&deal["deal"], &deal["posted"]), (&1.into(), &false.into()));
    assert_eq!(deal["answer"]["status"], 200, "{deal}");
    stop(child, folder.path());
}
