#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod amount;
mod chain;
mod clock;
mod command;
mod document;
mod http;
mod plan;
mod printer;
mod supply;

use clap::Parser as _;
use printer::Printer;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// What a user need not know: that a new database is empty, or that one was not closed before it was opened.
const QUIET: &str = "warn,commonware_storage=error";

fn main() -> ExitCode {
    let arguments = command::Arguments::parse();
    let filter = EnvFilter::try_from_env("MP_LOG").unwrap_or_else(|_| EnvFilter::new(QUIET));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let printer = Printer::new(arguments.output);
    if let Some(parent) = arguments.parent
        && !end_with(parent)
    {
        return ExitCode::FAILURE;
    }
    match arguments.command.run(&arguments.chain, &printer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            printer.failed(&error);
            ExitCode::FAILURE
        }
    }
}

/// Makes the kernel send SIGTERM when the parent is gone, however it ends; false if it is gone already. Elsewhere than
/// on Linux a parent that is killed leaves its children behind.
fn end_with(parent: u32) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, getppid, set_parent_process_death_signal};
        let asked = set_parent_process_death_signal(Some(Signal::TERM)).is_ok();
        let lives =
            |id: rustix::process::Pid| u32::try_from(id.as_raw_nonzero().get()) == Ok(parent);
        return asked && getppid().is_some_and(lives);
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = parent;
        true
    }
}
