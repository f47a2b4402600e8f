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

fn main() -> ExitCode {
    let arguments = command::Arguments::parse();
    let filter = EnvFilter::try_from_env("MP_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,commonware_storage::qmdb=error"));
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
