//! The project's own commands. `cargo xtask ci` is what continuous integration runs, and what you run.

mod acme;
mod bench;
mod checks;
mod ethereum;
mod guests;
mod references;
mod sanitize;
mod suite;
mod tidy;
mod tools;

use anyhow::Result;
use std::process::ExitCode;
use suite::{ECONOMICS, FLEET};

const USAGE: &str = "\
usage: cargo xtask <command>

  test             run every test; needs only cargo, a C++ compiler and curl
  test ethereum    run cast, viem and ethers against a node; needs npm
  test capacity    build whole datasets and compare them with light mode; needs 3 GiB and some minutes
  test guests      build the templates of mp init and the examples with their own tools, and run them here and in wasmtime;
                   installs Debian packages if some are missing, takes long the first time
  test guests c    the same with C only, and here only
  test acme        let a gateway get certificates from Pebble, an ACME server for tests; installs its Debian package
  test references  let functions be fetched from Docker's registry and from a gateway of IPFS; installs the Debian packages of
                   the registry and of skopeo; needs npm
  fuzz [SECONDS]   run every fuzz test for so long, 60 if it is not said
  kills [TIMES]    kill processes of a running marketplace so often, 20 if it is not said
  simulate market [--steps STEPS]
                   make so many random calls with every invariant checked, 1,000,000 if it is not said
  simulate faults [--windows WINDOWS]
                   let peers prove for so many windows while everybody dies now and then, 1,000 if it is not said
  simulate fleet [--units UNITS] [--windows WINDOWS] [--threads THREADS] ...
                   let so many units prove for a day, 1,000,000 if it is not said, and find who lies; one line of JSON.
                   Also --spread (seconds in which peers answer), --budget, --seconds (between blocks), --audit-ms, and
                   --skips, --fakes, --forges, --late, --silent, --absent: such peers among a thousand
  simulate economics [--epochs EPOCHS] [--audits AUDITS] [--stake STAKE] ...
                   let each way to cheat play for 60 epochs, at so many audits of a window among a million units, 5,200 if
                   it is not said, and with a collateral of so many rewards, the least that is allowed if it is not said; no cheat may pay.
                   Also --units (of each), --crowd (honest peers of 256 units)
  bench [NAME]     measure finality, transfers, offers, clearing, settle, serving, function, failover, hostile or capacity, or all;
                   takes long to build
  sanitize         run the C++ of capacity under sanitizers; needs gcc and g++
  ci               format, tidy, clippy, docs, licences, every test, the Ethereum clients, a guest in C, an ACME server, a registry and IPFS
  fix              format the tree and apply what clippy can mend by itself
  tidy             check the arrows between crates and the habits of the tree
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => suite::run().map(|tally| tally.report()),
        ["test", "ethereum"] => ethereum::run().map(|tally| tally.report()),
        ["test", "guests"] => guests::all().map(|tally| tally.report()),
        ["test", "guests", "c"] => guests::quick().map(|tally| tally.report()),
        ["test", "acme"] => acme::run().map(|tally| tally.report()),
        ["test", "references"] => references::run().map(|tally| tally.report()),
        ["test", "capacity"] => suite::capacity().map(|tally| tally.report()),
        ["fuzz"] => suite::fuzz("60").map(|tally| tally.report()),
        ["fuzz", seconds] => suite::fuzz(seconds).map(|tally| tally.report()),
        ["kills"] => suite::kills("20").map(|tally| tally.report()),
        ["kills", times] => suite::kills(times).map(|tally| tally.report()),
        ["simulate", "market"] => suite::market("1000000").map(|tally| tally.report()),
        ["simulate", "market", "--steps", steps] => {
            suite::market(steps).map(|tally| tally.report())
        }
        ["simulate", "faults"] => suite::faults("1000").map(|tally| tally.report()),
        ["simulate", "faults", "--windows", windows] => {
            suite::faults(windows).map(|tally| tally.report())
        }
        ["simulate", "fleet", options @ ..] if FLEET.takes(options) => {
            FLEET.run(options).map(|tally| tally.report())
        }
        ["simulate", "economics", options @ ..] if ECONOMICS.takes(options) => {
            ECONOMICS.run(options).map(|tally| tally.report())
        }
        ["ci"] => checks::ci().map(|tally| tally.report()),
        ["sanitize"] => sanitize::run().map(|tally| tally.report()),
        ["fix"] => checks::fix(),
        ["tidy"] => tidy::run(),
        ["bench"] => bench::run(None),
        ["bench", name] if bench::exists(name) => bench::run(Some(name)),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What passed and what failed so far.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Counts one check and says which one failed.
    fn check(&mut self, name: &str, outcome: Result<bool>) {
        match outcome {
            Ok(true) => self.passed += 1,
            Ok(false) => {
                self.failed += 1;
                eprintln!("FAILED: {name}");
            }
            Err(error) => {
                self.failed += 1;
                eprintln!("FAILED: {name}: {error:#}");
            }
        }
    }

    /// Prints the closing line; true if nothing failed.
    fn report(&self) -> bool {
        println!("{} passed, {} failed", self.passed, self.failed);
        self.failed == 0
    }
}
