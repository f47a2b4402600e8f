//! Runs the test suite and adds up what cargo reports for each test program.

use crate::{Tally, checks::cargo};
use anyhow::{Context as _, Result, ensure};
use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

const TESTS: [&str; 3] = ["test", "--workspace", "--no-fail-fast"];

/// The tests of the marketplace, in a fast build with all checks.
const MARKETPLACE: [&str; 4] = [
    "test",
    "--profile=slow",
    "--package=marketplace",
    "--test=it",
];

/// A simulation that takes options, each with a number, which its test finds in the environment.
pub(crate) struct Simulation {
    test: &'static str,
    prefix: &'static str,
    options: &'static [&'static str],
    /// What holds if nobody says else.
    usual: &'static [(&'static str, &'static str)],
}

/// A day of a fleet.
pub(crate) const FLEET: Simulation = Simulation {
    test: "fleet::a_fleet_is_sound",
    prefix: "MP_FLEET",
    options: &[
        "units", "windows", "threads", "spread", "budget", "seconds", "audit-ms", "skips", "fakes",
        "forges", "late", "silent", "absent",
    ],
    usual: &[("units", "1000000")],
};

/// Months of every way to cheat, at the audits of a million units.
pub(crate) const ECONOMICS: Simulation = Simulation {
    test: "economics::no_cheat_pays",
    prefix: "MP_ECONOMICS",
    options: &["units", "crowd", "epochs", "audits", "stake"],
    usual: &[
        ("units", "64"),
        ("crowd", "300"),
        ("epochs", "60"),
        ("audits", "5200"),
    ],
};

impl Simulation {
    /// Whether these are options of it.
    pub(crate) fn takes(&self, options: &[&str]) -> bool {
        let known = |name: &str| self.options.iter().any(|one| name == format!("--{one}"));
        options.chunks(2).all(|pair| match pair {
            [name, value] => known(name) && value.parse::<u64>().is_ok(),
            _ => false,
        })
    }

    /// Runs it, in a fast build with all checks.
    pub(crate) fn run(&self, options: &[&str]) -> Result<Tally> {
        let mut command = cargo(&MARKETPLACE);
        for (name, value) in self.usual {
            command.env(self.variable(name), value);
        }
        for pair in options.chunks(2) {
            command.env(self.variable(pair[0].trim_start_matches("--")), pair[1]);
        }
        run_named(command, self.test)
    }

    fn variable(&self, option: &str) -> String {
        let option = option.replace('-', "_").to_uppercase();
        format!("{}_{option}", self.prefix)
    }
}

/// Runs every test of the workspace.
pub(crate) fn run() -> Result<Tally> {
    count(cargo(&TESTS))
}

/// Runs the tests in modules called `fuzz`, each for as long as that, from a seed that nobody chose. `MP_SEED` repeats
/// a run.
pub(crate) fn fuzz(seconds: &str) -> Result<Tally> {
    let seconds = number(seconds, "seconds")?;
    long("fuzz::", "MP_FUZZ_SECONDS", seconds)
}

/// Runs the tests in modules called `kills`, each with so many kills, in the same way.
pub(crate) fn kills(times: &str) -> Result<Tally> {
    let times = number(times, "kills")?;
    long("kills::", "MP_KILLS", times)
}

/// The random calls of the marketplace, so many of them, in a fast build with all checks, in the same way.
pub(crate) fn market(steps: &str) -> Result<Tally> {
    let steps = number(steps, "steps")?;
    let tests = "random::fuzz::random_calls_keep_every_promise";
    run_long(cargo(&MARKETPLACE), tests, "MP_STEPS", steps)
}

/// Peers that prove while everybody dies now and then, over so many windows, in the same way.
pub(crate) fn faults(windows: &str) -> Result<Tally> {
    let windows = number(windows, "windows")?;
    let build = [
        "test",
        "--profile=slow",
        "--package=simulation",
        "--test=faults",
    ];
    let tests = "nobody_honest_is_slashed_while_everybody_dies_now_and_then";
    run_long(cargo(&build), tests, "MP_WINDOWS", windows)
}

/// Whole datasets of `capacity`: 2.3 GiB, some minutes of processor time.
pub(crate) fn capacity() -> Result<Tally> {
    let arguments = [
        "test",
        "--profile=slow",
        "--package=capacity",
        "--features=full",
        "--test=full",
        "--",
        // One dataset in memory at a time.
        "--test-threads=1",
    ];
    count(cargo(&arguments))
}

/// Deploys and asks the functions in these folders, here and in that `wasmtime`.
pub(crate) fn guests(folders: &[PathBuf], wasmtime: Option<&Path>) -> Result<Tally> {
    let mut command = cargo(&["test", "--workspace", "--test=mp"]);
    command.env("MP_GUESTS", std::env::join_paths(folders)?);
    if let Some(wasmtime) = wasmtime {
        command.env("MP_WASMTIME", wasmtime);
    }
    run_named(command, "guests::")
}

/// The tests of `mp` of that name, also those that need these programs, each named in a variable.
pub(crate) fn with_programs(tests: &str, programs: &[(&str, &str)]) -> Result<Tally> {
    let mut command = cargo(&["test", "--workspace", "--test=mp"]);
    command.envs(programs.iter().copied());
    command.args(["--", tests, "--include-ignored", "--nocapture"]);
    some(count(command)?, tests)
}

fn long(tests: &str, variable: &str, value: u64) -> Result<Tally> {
    run_long(cargo(&TESTS), tests, variable, value)
}

fn number(text: &str, of: &str) -> Result<u64> {
    let number = text.parse();
    number.with_context(|| format!("{text} is no number of {of}"))
}

fn run_long(mut command: Command, tests: &str, variable: &str, value: u64) -> Result<Tally> {
    command.env(variable, value.to_string());
    if std::env::var_os("MP_SEED").is_none() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        command.env("MP_SEED", now.as_secs().to_string());
    }
    run_named(command, tests)
}

/// Runs the tests of that name, of which there must be some.
fn run_named(mut command: Command, tests: &str) -> Result<Tally> {
    command.args(["--", tests, "--nocapture"]);
    some(count(command)?, tests)
}

fn some(tally: Tally, tests: &str) -> Result<Tally> {
    ensure!(tally.passed + tally.failed > 0, "no test is called {tests}");
    Ok(tally)
}

/// Adds up what cargo reports; a build that fails counts as one failure.
fn count(mut command: Command) -> Result<Tally> {
    let mut child = command
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
