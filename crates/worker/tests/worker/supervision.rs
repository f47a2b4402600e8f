//! How a worker begins, is adopted and ends.

use crate::support::{Folder, connect, start};
use functions::{HELLO, hostile};
use hyper::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use worker::{
    ArtifactHash, Config,
    control::{MAX_REQUEST_BYTES, PROTOCOL, Reason},
    supervisor::{Error, adopt},
};

async fn refusal(folder: &Folder, config: &Config) -> (Reason, String) {
    match start(folder, config).await {
        Err(Error::CannotRun { reason, detail }) => (reason, detail),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it runs"),
    }
}

/// (W1, W2, W4, W5)
#[tokio::test]
async fn an_artifact_that_may_not_run_is_refused_with_a_reason() {
    let folder = Folder::new("refused");
    let good = folder.config(HELLO);

    let mut other = good.clone();
    other.identity.artifact = ArtifactHash([1; 32]);
    assert_eq!(refusal(&folder, &other).await.0, Reason::ArtifactMismatch);

    let mut small = good.clone();
    small.limits.artifact_bytes = 100;
    assert_eq!(refusal(&folder, &small).await.0, Reason::ArtifactTooLarge);

    let mut missing = good.clone();
    missing.artifact = folder.0.join("nothing");
    assert_eq!(refusal(&folder, &missing).await.0, Reason::ArtifactMissing);

    let mut tight = good.clone();
    tight.limits.memory_bytes = 64 << 10;
    assert_eq!(refusal(&folder, &tight).await.0, Reason::BeyondLimits);

    let (reason, detail) = refusal(&folder, &folder.config(hostile::TRESPASSER)).await;
    assert_eq!(reason, Reason::ForbiddenImport);
    assert!(
        detail.contains("marketplace:functions/unheard-of"),
        "{detail}"
    );

    let invalid = b"\0asm\x0d\0\x01\0\x0b\x25\0";
    assert_eq!(
        refusal(&folder, &folder.config(invalid)).await.0,
        Reason::BadComponent
    );
}

/// (W15, W16)
#[tokio::test]
async fn a_supervisor_that_comes_back_adopts_the_worker_it_expects() {
    let folder = Folder::new("adopted");
    let config = folder.config(HELLO);
    let first = start(&folder, &config).await.expect("started");
    let written = std::fs::metadata(folder.0.join("worker.json")).expect("a file");
    assert_eq!(written.permissions().mode() & 0o777, 0o600);
    let pid = first.control.hello().pid;
    drop(first.control);

    let mut second = adopt(&config.control, &config.identity)
        .await
        .expect("adopted");
    assert_eq!(second.hello().pid, pid);
    assert!(second.health().await.expect("health").accepting);

    let mut another = config.identity;
    another.deal += 1;
    let stranger = adopt(&config.control, &another).await;
    assert!(matches!(stranger, Err(Error::Stranger { .. })));

    let (reason, detail) = refusal(&folder, &config).await;
    assert_eq!(reason, Reason::Host);
    assert!(detail.contains("another worker"), "{detail}");
    assert!(
        second.health().await.expect("health").accepting,
        "the first one is unharmed"
    );
}

/// (W15)
#[tokio::test]
async fn a_worker_can_begin_where_another_was_killed() {
    let folder = Folder::new("again");
    let config = folder.config(HELLO);
    let mut worker = start(&folder, &config).await.expect("started");
    worker.child.kill().await.expect("killed");
    let worker = start(&folder, &config).await.expect("started again");
    assert_eq!(worker.get("/").await.status, StatusCode::OK);
}

/// (W18)
#[tokio::test]
async fn a_worker_without_a_supervisor_ends_by_itself() {
    let folder = Folder::new("orphan");
    let mut config = folder.config(HELLO);
    config.orphan_seconds = 2;
    let mut worker = start(&folder, &config).await.expect("started");
    assert!(worker.ended().await);
    assert!(!folder.0.join("http.sock").exists() && !config.control.exists());
}

/// (W18)
#[tokio::test]
async fn a_worker_that_drains_or_is_terminated_ends_its_requests_first() {
    for by_signal in [false, true] {
        let folder = Folder::new(if by_signal { "terminate" } else { "drain" });
        let mut config = folder.config(hostile::SLOW_BODY);
        config.limits.wall_ms = 2_000;
        let mut worker = start(&folder, &config).await.expect("started");
        let mut running = connect(&folder.0.join("http.sock")).await;
        running
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .expect("written");
        let mut begun = [0; 12];
        running
            .read_exact(&mut begun)
            .await
            .expect("the answer begins");
        if by_signal {
            let pid = worker
                .child
                .id()
                .and_then(|id| Pid::from_raw(id.cast_signed()));
            kill_process(pid.expect("a process"), Signal::TERM).expect("a signal");
        } else {
            worker.control.drain().await.expect("drained");
            let health = worker
                .control
                .health()
                .await
                .expect("health while draining");
            assert_eq!((health.accepting, health.in_flight), (false, 1));
        }
        assert!(worker.ended().await);
        let mut rest = String::new();
        let _ = running.read_to_string(&mut rest).await;
        assert!(rest.contains("first\n"), "{rest}");
    }
}

/// (W18)
#[tokio::test]
async fn a_worker_that_drains_answers_what_was_on_its_way() {
    let folder = Folder::new("linger");
    let config = folder.config(HELLO);
    let mut worker = start(&folder, &config).await.expect("started");
    let mut kept = connect(&folder.0.join("http.sock")).await;
    let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    kept.write_all(request).await.expect("written");
    let mut begun = [0; 12];
    kept.read_exact(&mut begun).await.expect("an answer");
    let begin = Instant::now();
    worker.control.drain().await.expect("drained");
    // The worker may have closed it when this machine stood still for so long.
    let _ = kept.write_all(request).await;
    let mut rest = String::new();
    let _ = kept.read_to_string(&mut rest).await;
    let is_answered = rest.contains("HTTP/1.1 200 OK") && rest.contains("connection: close");
    assert!(
        is_answered || begin.elapsed() >= Duration::from_millis(500),
        "{rest}"
    );
    assert!(worker.ended().await);
}

/// (W18)
#[tokio::test]
async fn a_worker_that_is_stopped_waits_for_nobody() {
    let folder = Folder::new("stop");
    let mut config = folder.config(hostile::SPIN);
    (config.limits.wall_ms, config.limits.cpu_ms) = (600_000, 600_000);
    let mut worker = start(&folder, &config).await.expect("started");
    let mut running = connect(&folder.0.join("http.sock")).await;
    running
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .expect("written");
    worker.control.stop().await.expect("stopped");
    assert!(worker.ended().await);
}

/// (W17)
#[tokio::test]
async fn the_control_socket_answers_who_speaks_its_protocol() {
    let folder = Folder::new("protocol");
    let config = folder.config(HELLO);
    let mut worker = start(&folder, &config).await.expect("started");
    let long = format!("{}\n", " ".repeat(MAX_REQUEST_BYTES));
    let hello = format!(r#"{{"request":"hello","protocol":{}}}"#, PROTOCOL + 1);
    for line in [
        "{\"request\":\"stop\"}\n",
        &format!("{hello}\n{{\"request\":\"drain\"}}\n"),
        "nonsense\n",
        &long,
    ] {
        let mut stream = connect(&config.control).await;
        stream.write_all(line.as_bytes()).await.expect("written");
        stream.shutdown().await.expect("ended");
        let mut reply = String::new();
        let _ = stream.read_to_string(&mut reply).await;
        assert!(reply.starts_with(r#"{"reply":"refused""#), "{reply}");
    }
    assert!(
        worker.control.health().await.expect("health").accepting,
        "nobody stopped it"
    );
}

/// (W24)
#[tokio::test]
async fn the_kernel_holds_a_worker_to_what_it_says() {
    let folder = Folder::new("confined");
    let mut config = folder.config(HELLO);
    config.limits.connections = 100;
    let worker = start(&folder, &config).await.expect("started");
    let hello = worker.control.hello();
    assert!(hello.confinement.system_calls && !hello.confinement.memory);
    let about = |what: &str| {
        let path = format!("/proc/{}/{what}", hello.pid);
        std::fs::read_to_string(path).expect("it lives")
    };
    let status = about("status");
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{status}");
    }
    let limits = about("limits");
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name));
        let words = line.expect("a limit").split_whitespace().rev();
        words.skip(1).take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(limit("Max core file size"), ["0", "0"]);
    let files = (100 + config.limits.outbound_in_flight + 256).to_string();
    assert_eq!(limit("Max open files"), [files.clone(), files]);
}

/// (W24)
#[tokio::test]
async fn a_worker_joins_the_group_that_it_is_given_or_does_not_run() {
    let folder = Folder::new("group");
    let mut config = folder.config(HELLO);
    let group = folder.0.join("group");
    config.group = Some(group.clone());
    assert_eq!(refusal(&folder, &config).await.0, Reason::Host);
    std::fs::create_dir(&group).expect("a folder");
    std::fs::write(group.join("cgroup.procs"), "").expect("a file like the kernel's");
    let worker = start(&folder, &config).await.expect("started");
    let members = std::fs::read_to_string(group.join("cgroup.procs")).expect("members");
    assert_eq!(members, worker.control.hello().pid.to_string());
    assert!(worker.control.hello().confinement.memory);
}
