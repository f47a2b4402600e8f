#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod amount;
mod chain;
mod clock;
mod command;
mod document;
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
    match arguments.command.run(&arguments.chain, &printer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            printer.failed(&error);
            ExitCode::FAILURE
        }
    }
}
