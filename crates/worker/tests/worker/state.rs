//! What a function keeps from one request to the next.

use crate::support::{Folder, Running, start};
use functions::COUNTER;
use hyper::Request;
use rustix::process::{Pid, Signal, kill_process};
use worker::{Config, control::Reason, supervisor::Error};

fn config(folder: &Folder) -> Config {
    let mut config = folder.config(COUNTER);
    config.state = Some(folder.0.join("state").join("state.redb"));
    config
}

async fn keep(worker: &Running, path: &str, value: &[u8]) -> String {
    worker.send(Request::post(path), value).await.body
}

/// (W23)
#[tokio::test]
async fn state_is_seen_by_later_requests_and_outlives_the_worker() {
    let folder = Folder::new("counter");
    let config = config(&folder);
    let mut worker = start(&folder, &config).await.expect("started");
    for count in 1..=3 {
        assert_eq!(worker.get("/a").await.body, format!("{count}\n"));
    }
    assert_eq!(worker.get("/b").await.body, "1\n");
    assert_eq!(keep(&worker, "/a", b"41").await, "kept\n");
    worker.control.drain().await.expect("draining");
    assert!(worker.ended().await);

    // What was kept when the worker ended well is there; so is what was on disk when it did not.
    let mut worker = start(&folder, &config).await.expect("started again");
    assert_eq!(worker.get("/a").await.body, "42\n");
    let id = i32::try_from(worker.control.hello().pid).expect("a process");
    kill_process(Pid::from_raw(id).expect("a process"), Signal::KILL).expect("killed");
    assert!(!worker.ended().await);
    let worker = start(&folder, &config)
        .await
        .expect("started after a crash");
    let count = worker.get("/a").await.body;
    assert!(["42\n", "43\n"].contains(&count.as_str()), "{count}");
}

/// (W23)
#[tokio::test]
async fn what_is_beyond_its_limits_is_refused_in_words() {
    let folder = Folder::new("quota");
    let mut config = config(&folder);
    config.limits.state_bytes = 1_000;
    config.limits.state_keys = 2;
    config.limits.state_value_bytes = 900;
    let mut worker = start(&folder, &config).await.expect("started");
    let said = keep(&worker, "/a", &[b'x'; 901]).await;
    assert_eq!(said, "a value has at most 900 bytes here\n");
    assert_eq!(keep(&worker, "/a", &[b'x'; 900]).await, "kept\n");
    let said = keep(&worker, "/b", &[b'x'; 900]).await;
    assert!(said.contains("1000 bytes together"), "{said}");
    assert_eq!(keep(&worker, "/b", b"x").await, "kept\n");
    let said = keep(&worker, "/c", b"").await;
    assert!(said.contains("2 keys"), "{said}");
    let said = worker.get("/b").await.body;
    assert!(said.contains("no decimal number"), "{said}");
    worker.control.stop().await.expect("stopping");
    assert!(worker.ended().await);

    config.limits.state_operations = 0;
    let worker = start(&folder, &config).await.expect("started");
    let said = worker.get("/n").await.body;
    assert!(said.contains("too many operations"), "{said}");
}

/// (W2, W5)
#[tokio::test]
async fn a_machine_that_keeps_no_state_runs_no_function_that_needs_it() {
    let folder = Folder::new("stateless");
    match start(&folder, &folder.config(COUNTER)).await {
        Err(Error::CannotRun { reason, detail }) => {
            assert_eq!(reason, Reason::ForbiddenImport);
            assert!(detail.contains("wasi:keyvalue"), "{detail}");
        }
        _ => panic!("it runs"),
    }
}
