//! What shells need to complete commands.

use super::Arguments;
use anyhow::{Context as _, Result};
use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};
use std::io::{self, Write as _};

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Result<()> {
        let mut script = Vec::new();
        generate(self.shell, &mut Arguments::command(), "mp", &mut script);
        let written = io::stdout().write_all(&script);
        written.context("cannot write the completions")
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::{CommandFactory as _, ValueEnum as _};
    use clap_complete::{Shell, generate};

    #[test]
    fn every_shell_learns_the_commands() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            generate(*shell, &mut Arguments::command(), "mp", &mut script);
            let script = String::from_utf8(script).expect("text");
            for word in ["deploy", "rollback", "delegate", "validators"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
