//! The one door for output: stdout is data, stderr is talk.

use clap::ValueEnum;
use serde::Serialize;
use std::io::Write as _;

/// How data is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs: one JSON value a line.
    Json,
}

/// Shows results and errors.
#[derive(Debug)]
pub(crate) struct Printer {
    output: Output,
}

impl Printer {
    pub(crate) fn new(output: Output) -> Self {
        Self { output }
    }

    /// Shows a result: `text` to people, `value` to programs. A reader that has gone away is no error.
    pub(crate) fn result(&self, value: &impl Serialize, text: &str) {
        let line = match self.output {
            Output::Text => text.trim_end().to_owned(),
            Output::Json => serde_json::to_string(value).expect("plain data"),
        };
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    /// Shows bytes as they are to people, `value` to programs.
    pub(crate) fn bytes(&self, value: &impl Serialize, bytes: &[u8]) {
        match self.output {
            Output::Json => self.result(value, ""),
            Output::Text => {
                let _ = std::io::stdout().write_all(bytes);
            }
        }
    }

    /// Says how a command gets on.
    pub(crate) fn note(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Shows why a command failed, with its causes.
    pub(crate) fn failed(&self, error: &anyhow::Error) {
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
    }
}
