#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod amount;
mod availability;
mod chain;
mod clock;
mod command;
mod commitment;
mod document;
mod http;
mod import;
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
    if let Some(code) = worker::host::compile_if_asked() {
        return code;
    }
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

/// Makes the kernel send SIGTERM when the parent is gone, however it ends; false if it is gone already.
#[cfg(target_os = "linux")]
fn end_with(parent: u32) -> bool {
    use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
    let is_asked = set_parent_process_death_signal(Some(Signal::TERM)).is_ok();
    let is_it = |id: Pid| u32::try_from(id.as_raw_nonzero().get()) == Ok(parent);
    is_asked && getppid().is_some_and(is_it)
}

/// Elsewhere a parent that is killed leaves its children behind.
#[cfg(not(target_os = "linux"))]
fn end_with(_: u32) -> bool {
    true
}
