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

    /// Shows why a command failed, with its causes.
    pub(crate) fn failed(&self, error: &anyhow::Error) {
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
    }
}
