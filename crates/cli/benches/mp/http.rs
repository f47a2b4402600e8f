//! As little of HTTP/1.1 and JSON-RPC as measuring takes, on connections that stay open.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// Nothing here takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// A connection to a server; answers are read into one buffer.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    answer: Vec<u8>,
    /// Of the last answer, in lower case.
    head: String,
}

impl Connection {
    pub(crate) fn tcp(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::new(stream))
    }

    pub(crate) fn unix(path: &Path) -> Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::new(stream))
    }

    fn new(stream: impl Stream + 'static) -> Self {
        let (stream, answer) = (Box::new(stream), Vec::new());
        let head = String::new();
        Self {
            stream,
            answer,
            head,
        }
    }

    /// Sends a whole request and waits for the whole answer; gives the status and the body as it was sent.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.stream.write_all(request)?;
        self.answer.clear();
        let body = loop {
            let end = self
                .answer
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            self.more()?;
        };
        self.head = std::str::from_utf8(&self.answer[..body])?.to_ascii_lowercase();
        let status = self.head.split(' ').nth(1).context("a status")?.parse()?;
        let length = self.header("content-length");
        let length = length.map(str::parse::<usize>).transpose()?;
        loop {
            let whole = match length {
                Some(length) => self.answer.len() >= body + length,
                None => self.answer.ends_with(b"\r\n0\r\n\r\n"),
            };
            if whole {
                return Ok((status, &self.answer[body..]));
            }
            self.more()?;
        }
    }

    /// A header of the last answer, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.map(str::trim)
    }

    fn more(&mut self) -> Result<()> {
        let mut bytes = [0; 1 << 14];
        match self.stream.read(&mut bytes)? {
            0 => bail!("the server closed the connection"),
            count => self.answer.extend(&bytes[..count]),
        }
        Ok(())
    }
}

/// A connection to a node.
pub(crate) struct Rpc {
    connection: Connection,
}

impl Rpc {
    pub(crate) fn connect(url: &str) -> Result<Self> {
        let address = url.strip_prefix("http://").context("an HTTP address")?;
        let connection = Connection::tcp(address)?;
        Ok(Self { connection })
    }

    /// What the node answers, or the words with which it refuses.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        parameters: &Value,
    ) -> Result<Result<Value, String>> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters })
            .to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (_, body) = self.connection.ask(request.as_bytes())?;
        let mut answer: Value = serde_json::from_slice(body)?;
        Ok(match answer["error"]["message"].as_str() {
            Some(refusal) => Err(refusal.to_owned()),
            None => Ok(answer["result"].take()),
        })
    }

    /// The same, where a refusal is an error.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Result<Value> {
        let answer = self.ask(method, parameters)?;
        answer.map_err(|refusal| anyhow::anyhow!("{method}: {refusal}"))
    }

    /// A method whose answer is a number.
    pub(crate) fn number(&mut self, method: &str, parameters: &Value) -> Result<u64> {
        number(&self.call(method, parameters)?)
    }
}

/// The number that a hexadecimal text stands for.
pub(crate) fn number(value: &Value) -> Result<u64> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    Ok(u64::from_str_radix(digits.context("a number")?, 16)?)
}
