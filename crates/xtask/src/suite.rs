//! Runs the test suite and adds up what cargo reports for each test program.

use crate::{Tally, checks::cargo};
use anyhow::{Context as _, Result};
use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

/// Runs every test of the workspace; a build that fails counts as one failure.
pub(crate) fn run() -> Result<Tally> {
    let mut child = cargo(&["test", "--workspace", "--no-fail-fast"])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let output = child.stdout.take().context("cargo has no output")?;
    let mut tally = Tally::default();
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        if let Some(counts) = parse(&line) {
            tally.add(&counts);
        }
    }
    if !child.wait()?.success() && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

/// Reads `test result: ok. 3 passed; 0 failed; …`.
fn parse(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |word: &str| -> Option<u64> {
        let part = counts.split("; ").find_map(|part| part.strip_suffix(word));
        part?.trim().parse().ok()
    };
    Some(Tally {
        passed: count("passed")?,
        failed: count("failed")?,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_closing_line_of_a_test_program_is_read() {
        let line =
            "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out";
        let tally = parse(line).expect("a closing line");
        assert_eq!((tally.passed, tally.failed), (12, 3));
        assert!(parse("test offer::tests::a_test ... ok").is_none());
    }
}
