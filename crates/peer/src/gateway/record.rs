//! One line of JSON for each request. (G15)

use serde::Serialize;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};

/// Lines that wait to be written; more are dropped and counted.
const WAITING: usize = 8192;
/// A file is put aside when it is so large.
const FILE_BYTES: u64 = 64 << 20;
/// Files that were put aside and are kept, the newest as `<file>.1`.
const KEPT: u32 = 4;
/// A gateway that stops waits so long for its last lines.
const PATIENCE: Duration = Duration::from_secs(5);
/// Characters of what a client says.
const SAID: usize = 256;

/// A request, when it is over.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    /// When it came, in milliseconds of the Unix epoch.
    pub(super) time: u64,
    pub(super) client: String,
    pub(super) secure: bool,
    /// `1.1`, for instance.
    pub(super) http: &'static str,
    pub(super) method: String,
    pub(super) host: String,
    /// Without the question after it, which may be nobody's business.
    pub(super) path: String,
    /// None: it named no deal.
    pub(super) deal: Option<u64>,
    /// Who answered; none: the gateway did.
    pub(super) worker: Option<u64>,
    pub(super) status: u16,
    /// How often it was sent again.
    pub(super) retries: u32,
    /// Time until the answer began, in microseconds.
    pub(super) first_us: u64,
    /// Time until it ended.
    pub(super) all_us: u64,
    /// Bytes of the answer's body.
    pub(super) bytes: u64,
    /// Whether all of the answer left.
    pub(super) complete: bool,
}

/// The beginning of what a client says.
pub(super) fn said(text: &str) -> String {
    text.chars().take(SAID).collect()
}

/// Where lines go, written by a thread of its own; by default nowhere.
#[derive(Default)]
pub(super) struct Log {
    lines: Option<SyncSender<Word>>,
    dropped: AtomicU64,
}

/// What the thread is told.
enum Word {
    Line(Vec<u8>),
    /// To say when all before it is written.
    Settle(oneshot::Sender<()>),
}

impl Log {
    /// Writes to the file at `path`, or to standard output if that is `-`; nowhere if it is not said.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        let mut lines = None;
        if let Some(path) = path {
            let sink = Sink::open(path, FILE_BYTES)?;
            let (sender, waiting) = sync_channel(WAITING);
            let writer = thread::Builder::new().name("access log".into());
            writer.spawn(move || write(sink, &waiting))?;
            lines = Some(sender);
        }
        let dropped = AtomicU64::new(0);
        Ok(Self { lines, dropped })
    }

    pub(super) fn write(&self, record: &Record) {
        let Some(lines) = &self.lines else {
            return;
        };
        let line = serde_json::to_vec(record).ok();
        let sent = line.and_then(|mut line| {
            line.push(b'\n');
            lines.try_send(Word::Line(line)).ok()
        });
        if sent.is_none() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines that were not written.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until what waits is written, but not for ever.
    pub(super) async fn settle(&self) {
        let (settled, settles) = oneshot::channel();
        let told = self
            .lines
            .as_ref()
            .map(|lines| lines.try_send(Word::Settle(settled)));
        if let Some(Ok(())) = told {
            let _ = timeout(PATIENCE, settles).await;
        }
    }
}

/// Writes what comes, and lets it out whenever nothing waits.
fn write(mut sink: Sink, waiting: &Receiver<Word>) {
    while let Ok(word) = waiting.recv() {
        let mut written = Ok(());
        let mut settled = Vec::new();
        for word in [word].into_iter().chain(waiting.try_iter()) {
            match word {
                Word::Line(line) => written = written.and_then(|()| sink.write(&line)),
                Word::Settle(settle) => settled.push(settle),
            }
        }
        if let Err(error) = written.and_then(|()| sink.flush()) {
            tracing::warn!(%error, "the access log cannot be written");
        }
        for settle in settled {
            // Who asked may have lost patience.
            let _ = settle.send(());
        }
    }
}

enum Sink {
    Output(BufWriter<io::Stdout>),
    File {
        path: PathBuf,
        file: BufWriter<File>,
        bytes: u64,
        most: u64,
    },
}

impl Sink {
    fn open(path: &Path, most: u64) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Output(BufWriter::new(io::stdout())));
        }
        let file = append(path)?;
        Ok(Self::File {
            path: path.into(),
            bytes: file.metadata()?.len(),
            file: BufWriter::new(file),
            most,
        })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Output(output) => output.write_all(line),
            Self::File {
                path,
                file,
                bytes,
                most,
            } => {
                if *bytes >= *most {
                    file.flush()?;
                    put_aside(path)?;
                    *file = BufWriter::new(append(path)?);
                    *bytes = 0;
                }
                *bytes += line.len() as u64;
                file.write_all(line)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Output(output) => output.flush(),
            Self::File { file, .. } => file.flush(),
        }
    }
}

/// Who asks for what is not for every user of the machine.
fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600).open(path)
}

/// `<file>` becomes `<file>.1`, that `<file>.2`, and the last is gone.
fn put_aside(path: &Path) -> io::Result<()> {
    let aside = |number: u32| match number {
        0 => path.to_owned(),
        _ => PathBuf::from(format!("{}.{number}", path.display())),
    };
    for number in (0..KEPT).rev() {
        match fs::rename(aside(number), aside(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Log, Record, SAID, Sink, said};
    use std::fs;

    fn record(path: &str) -> Record {
        Record {
            time: 1,
            client: "127.0.0.1".into(),
            secure: false,
            http: "1.1",
            method: "GET".into(),
            host: "x".into(),
            path: said(path),
            deal: Some(7),
            worker: None,
            status: 503,
            retries: 0,
            first_us: 2,
            all_us: 3,
            bytes: 4,
            complete: true,
        }
    }

    /// (G15)
    #[tokio::test]
    async fn a_line_is_one_line_whatever_a_client_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("access.log");
        let log = Log::open(Some(&file)).expect("a file");
        let hostile = format!("/a\n\"\u{1b}{}", "x".repeat(1000));
        log.write(&record("/"));
        log.write(&record(&hostile));
        assert_eq!(log.dropped(), 0);
        log.settle().await;
        let text = fs::read_to_string(file).expect("a file");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            r#"{"time":1,"client":"127.0.0.1","secure":false,"http":"1.1","method":"GET","host":"x","path":"/","deal":7,"worker":null,"status":503,"retries":0,"first_us":2,"all_us":3,"bytes":4,"complete":true}"#
        );
        let second: serde_json::Value = serde_json::from_str(lines[1]).expect("JSON");
        let path = second["path"].as_str().expect("text");
        assert_eq!(path.chars().count(), SAID);
        assert_eq!(lines.len(), 2);
    }

    /// (G15)
    #[test]
    fn large_files_are_put_aside_and_the_oldest_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("access.log");
        let mut sink = Sink::open(&file, 10).expect("a file");
        for number in 0..20 {
            let line = format!("line {number:04}\n");
            sink.write(line.as_bytes()).expect("written");
        }
        sink.flush().expect("written");
        let mut files = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(files, 1 + KEPT as usize);
        let last = fs::read_to_string(&file).expect("a file");
        assert_eq!(last, "line 0019\n");
        drop(sink);
        let mut sink = Sink::open(&file, 10).expect("it goes on");
        sink.write(b"another\n").expect("written");
        files = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(files, 1 + KEPT as usize);
    }
}
