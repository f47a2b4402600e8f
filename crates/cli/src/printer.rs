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

    /// Shows why a command failed, with its causes; what to do about it comes last.
    pub(crate) fn failed(&self, error: &anyhow::Error) {
        let _ = writeln!(std::io::stderr(), "error: {}", explained(error));
    }
}

/// An error and its causes in one line, without what is said twice, and their hints below.
fn explained(error: &anyhow::Error) -> String {
    let (mut what, mut hints) = (String::new(), String::new());
    for cause in error.chain() {
        let text = cause.to_string();
        let (said, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
        if !what.contains(said) {
            let colon = if what.is_empty() { "" } else { ": " };
            what = what + colon + said;
        }
        if !hint.is_empty() && !hints.contains(hint) {
            hints = hints + "\nhint: " + hint;
        }
    }
    what + &hints
}

#[cfg(test)]
mod tests {
    use super::explained;
    use anyhow::anyhow;

    #[test]
    fn causes_come_once_and_hints_last() {
        let error = anyhow!("address in use")
            .context("it cannot listen on port 1: address in use\nhint: choose another")
            .context("the node does not start");
        assert_eq!(
            explained(&error),
            "the node does not start: it cannot listen on port 1: address in use\nhint: choose another"
        );
    }
}
