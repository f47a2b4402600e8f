//! One worker: `worker <configuration>`. What `mp worker` is, on its own, for this crate's tests.

use std::{env, path::Path, process::ExitCode};
use worker::{Config, host};

fn main() -> ExitCode {
    if let Some(code) = host::compile_if_asked() {
        return code;
    }
    let Some(file) = env::args_os().nth(1) else {
        eprintln!("usage: worker <configuration>");
        return ExitCode::from(2);
    };
    let config = match Config::read(Path::new(&file)) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match host::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            eprintln!("error: {refusal}");
            ExitCode::FAILURE
        }
    }
}
