//! How fast a worker is: `cargo run --release -p worker --features host --example load`.
//!
//! For each function, starts a worker of one unit twice, with an empty and with a filled cache, then keeps 16
//! connections busy for some seconds and prints what came of it. The client runs on this thread,
//! the worker in a process of its own. `visits` runs with a fresh instance for each request, and with `reuse`.

use std::{
    env,
    error::Error,
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    process::{Child, Command},
    task::JoinSet,
};
use worker::{
    ArtifactHash, Config, Identity, Settings,
    config::{Limits, Listen, Outbound},
    host,
    supervisor::{self, Control},
};

const CONNECTIONS: usize = 16;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURE: Duration = Duration::from_secs(5);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let outcome = match env::args_os().nth(1) {
        Some(config) => be_worker(Path::new(&config)),
        None => measure_all(),
    };
    if let Err(error) = outcome {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn be_worker(config: &Path) -> Result<()> {
    Ok(host::run(&Config::read(config)?)?)
}

#[tokio::main(flavor = "current_thread")]
async fn measure_all() -> Result<()> {
    let visits = |reuse| {
        let settings = Settings {
            reuse,
            ..Settings::default()
        };
        settings.pack(functions::VISITS.into())
    };
    for (name, artifact) in [
        ("hello", functions::HELLO.to_vec()),
        ("visits", visits(None)?),
        ("visits, reuse = 100", visits(Some(100))?),
    ] {
        println!("{name}");
        measure(&artifact).await?;
    }
    Ok(())
}

async fn measure(artifact: &[u8]) -> Result<()> {
    let folder = env::temp_dir().join(format!("mp-load-{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let config = config(&folder, artifact)?;

    let (mut child, mut control, cold) = start(&config, &folder).await?;
    control.stop().await?;
    child.wait().await?;
    let (mut child, mut control, warm) = start(&config, &folder).await?;
    println!("start: {cold:?} compiling, {warm:?} from the cache");
    println!(
        "idle: {} KiB resident",
        control.health().await?.resident_bytes / 1024
    );

    let Listen::Unix(socket) = &config.listen else {
        return Err("the configuration names no socket".into());
    };
    load(socket, WARM_UP).await?;
    let before = control.metrics().await?;
    let mut latencies = load(socket, MEASURE).await?;
    let after = control.metrics().await?;
    latencies.sort_unstable();
    let count = latencies.len();
    let at = |percent: usize| latencies[(count - 1) * percent / 100];
    println!(
        "{CONNECTIONS} connections: {:.0} requests/s, p50 {:?}, p99 {:?}",
        count as f64 / MEASURE.as_secs_f64(),
        at(50),
        at(99)
    );
    let requests = (after.requests - before.requests).max(1);
    println!(
        "metered: {:.1} µs of processor time a request",
        (after.cpu_us - before.cpu_us) as f64 / requests as f64
    );
    println!(
        "loaded: {} KiB resident; failed {}, shed {}",
        control.health().await?.resident_bytes / 1024,
        after.failed,
        after.shed
    );

    control.stop().await?;
    child.wait().await?;
    fs::remove_dir_all(folder)?;
    Ok(())
}

fn config(folder: &Path, bytes: &[u8]) -> Result<Config> {
    let artifact = folder.join("function.wasm");
    fs::write(&artifact, bytes)?;
    Ok(Config {
        identity: Identity {
            deal: 1,
            worker: 1,
            artifact: ArtifactHash(*blake3::hash(bytes).as_bytes()),
        },
        artifact,
        control: folder.join("control.sock"),
        listen: Listen::Unix(folder.join("http.sock")),
        deals: None,
        cache: folder.join("cache"),
        units: vec![vec![0]],
        secrets: None,
        state: Some(folder.join("state").join("state.redb")),
        group: None,
        outbound: Outbound::default(),
        limits: Limits::default(),
        orphan_seconds: 60,
        drain_seconds: 1,
    })
}

async fn start(config: &Config, folder: &Path) -> Result<(Child, Control, Duration)> {
    let command = Command::new(env::current_exe()?);
    let begin = Instant::now();
    let (child, control) = supervisor::start(command, config, &folder.join("worker.json")).await?;
    Ok((child, control, begin.elapsed()))
}

/// The latency of every request in so much time.
async fn load(socket: &Path, time: Duration) -> Result<Vec<Duration>> {
    let end = Instant::now() + time;
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        clients.spawn(client(UnixStream::connect(socket).await?, end));
    }
    let mut latencies = Vec::new();
    while let Some(client) = clients.join_next().await {
        latencies.extend(client??);
    }
    Ok(latencies)
}

async fn client(mut stream: UnixStream, end: Instant) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let mut answer = Vec::new();
    while Instant::now() < end {
        let begin = Instant::now();
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: load\r\n\r\n")
            .await?;
        answer.clear();
        while !answer.ends_with(b"\r\n0\r\n\r\n") {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err("the worker closed the connection".into());
            }
        }
        latencies.push(begin.elapsed());
    }
    Ok(latencies)
}
