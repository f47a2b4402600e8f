//! A worker in a folder of its own, and a client of it.

use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use std::{
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    process::{Child, Command},
    time::timeout,
};
use worker::{
    ArtifactHash, Config, Identity,
    config::{Limits, Listen, Outbound},
    control::Metrics,
    supervisor::{self, Control, Error},
};

/// Long enough for a slow machine; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that goes away with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mp-{}-{test}", std::process::id()));
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700).create(&path).expect("a folder");
        Self(path)
    }

    /// A configuration with one unit and tight limits.
    pub(crate) fn config(&self, function: &[u8]) -> Config {
        let artifact = self.0.join("artifact.wasm");
        std::fs::write(&artifact, function).expect("a file");
        Config {
            identity: Identity {
                deal: 7,
                worker: 3,
                artifact: ArtifactHash(*blake3::hash(function).as_bytes()),
            },
            artifact,
            control: self.0.join("control.sock"),
            listen: Listen::Unix(self.0.join("http.sock")),
            deals: None,
            cache: self.0.join("cache"),
            units: vec![vec![]],
            secrets: None,
            state: None,
            group: None,
            outbound: Outbound::default(),
            limits: Limits {
                wall_ms: 10_000,
                ..Limits::default()
            },
            orphan_seconds: 60,
            drain_seconds: 30,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A test that failed may have left a process that still writes there.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A worker process; it is killed if the test forgets it.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) control: Control,
    pub(crate) listen: Listen,
}

/// Starts a worker in `folder`.
pub(crate) async fn start(folder: &Folder, config: &Config) -> Result<Running, Error> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
    command.kill_on_drop(true);
    let (child, control) =
        supervisor::start(command, config, &folder.0.join("worker.json")).await?;
    let listen = control.hello().listen.clone();
    Ok(Running {
        child,
        control,
        listen,
    })
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// What there was of the body.
    pub(crate) body: String,
    /// False if the connection broke before its end.
    pub(crate) is_whole: bool,
}

impl Running {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path), &[]).await
    }

    pub(crate) async fn post(&self, body: &[u8]) -> Answer {
        self.send(Request::post("/"), body).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn send(&self, request: hyper::http::request::Builder, body: &[u8]) -> Answer {
        let body = Full::new(Bytes::copy_from_slice(body));
        let request = request
            .header("host", "function")
            .body(body)
            .expect("a request");
        let answer = async {
            match &self.listen {
                Listen::Unix(path) => exchange(connect(path).await, request).await,
                Listen::Tcp(address) => {
                    exchange(
                        TcpStream::connect(address).await.expect("a connection"),
                        request,
                    )
                    .await
                }
            }
        };
        timeout(PATIENCE, answer).await.expect("an answer in time")
    }

    /// Waits for the process to end by itself; whether it ended well.
    pub(crate) async fn ended(&mut self) -> bool {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it ends").expect("a status").success()
    }

    /// Waits until a request runs.
    pub(crate) async fn begun(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.control.health().await.expect("health").in_flight == 0 {
            assert!(Instant::now() < deadline, "no request begins");
        }
    }

    /// What was used, once every request that was answered has also ended.
    pub(crate) async fn metrics(&mut self) -> Metrics {
        let deadline = Instant::now() + PATIENCE;
        while self.control.health().await.expect("health").in_flight > 0 {
            assert!(Instant::now() < deadline, "a request does not end");
        }
        self.control.metrics().await.expect("metrics")
    }

    /// The log, one line a line.
    pub(crate) async fn log(&mut self) -> String {
        let mut text = String::new();
        let mut from = 0;
        loop {
            let logs = self.control.logs(from).await.expect("logs");
            if logs.lines.is_empty() {
                return text;
            }
            for line in logs.lines {
                text += &format!("{:?}: {}\n", line.source, line.text);
            }
            from = logs.next;
        }
    }
}

pub(crate) async fn connect(path: &Path) -> UnixStream {
    UnixStream::connect(path).await.expect("a connection")
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Answer {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    let mut response = sender.send_request(request).await.expect("an answer");
    let mut body = Vec::new();
    let is_whole = loop {
        match response.frame().await {
            None => break true,
            Some(Err(_)) => break false,
            Some(Ok(frame)) => {
                body.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..]));
            }
        }
    };
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body: String::from_utf8_lossy(&body).into_owned(),
        is_whole,
    }
}
