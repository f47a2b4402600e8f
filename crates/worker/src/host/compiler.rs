//! The compiler, in a process of its own: a function can be made to compile slowly, with much memory, or to lead the
//! compiler astray.
//!
//! Whoever needs one starts its own program again, with the version of WASI and the limits as JSON in [`ROLE`] in the environment.
//! That process takes a component from its standard input and gives [`DONE`] and the code, or [`REFUSED`] and why, to its
//! standard output. It can do nothing else: it opens no files, reaches nobody, and has limits of memory and time. What it gives is code for this one
//! component, whatever it was led to. Its standard error is looked at when it died, to tell whether it was for want of memory.

use super::{Refusal, engine, filter, process};
use crate::{Bundle, Settings, config::Limits, control::Reason, settings::Wasi};
use rustix::process::Signal;
use std::{
    env,
    io::{self, Read, Write as _},
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::Instant,
};

/// Says that a process is to compile, for which version of WASI, and within which limits.
const ROLE: &str = "MP_WORKER_COMPILES";

/// The first byte of its answer.
const DONE: u8 = 0;
const REFUSED: u8 = 1;

/// How it ends if it cannot even try.
const FAILED: u8 = 1;

/// Code is at most so much, and so many times as large as the component.
const CODE_BYTES: u64 = 64 << 20;
const CODE_FACTOR: u64 = 16;

/// Bytes of a refusal.
const WHY_BYTES: usize = 4 << 10;

/// What a program says that gets no more memory, before it aborts.
const NO_MEMORY: &str = "memory allocation of";

/// Compiles, if this process was started to do so: then there is nothing else to do for it. A program that runs workers,
/// or asks whether something [`compiles`], does this first.
pub fn compile_if_asked() -> Option<ExitCode> {
    let role = env::var(ROLE).ok()?;
    let role: Option<(Wasi, Limits)> = serde_json::from_str(&role).ok();
    let done = role.is_some_and(|(wasi, limits)| serve(wasi, &limits).is_ok());
    Some(if done {
        ExitCode::SUCCESS
    } else {
        FAILED.into()
    })
}

/// Whether every function of an artifact compiles within the limits. Takes as long as that does, and keeps nothing.
///
/// # Errors
/// Why not.
pub fn compiles(artifact: &[u8], limits: &Limits) -> Result<(), Refusal> {
    let wrong = |why: String| Refusal::new(Reason::BadComponent, why);
    let (functions, Settings { wasi, .. }) =
        Settings::split(artifact).map_err(|error| wrong(error.to_string()))?;
    let bundle = Bundle::split(functions).map_err(|error| wrong(error.to_string()))?;
    let deadline = Instant::now() + limits.compile_time();
    compile(bundle.main, wasi, limits, deadline)?;
    for (name, function) in bundle.others {
        compile(function, wasi, limits, deadline).map_err(|refusal| refusal.of(&Some(name)))?;
    }
    Ok(())
}

/// Compiles what comes in, and ends.
fn serve(wasi: Wasi, limits: &Limits) -> Result<(), Refusal> {
    let host = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| Refusal::host(&what, &error)
    };
    process::confine()?;
    process::confine_compiler(limits)?;
    let engine = engine::compiler(wasi).map_err(|error| Refusal::host("cannot compile", &error))?;
    filter::compiler()?;
    let mut component = Vec::new();
    let input = io::stdin().take(limits.artifact_bytes);
    { input }
        .read_to_end(&mut component)
        .map_err(host("cannot read the component"))?;
    let (kind, answer) = match engine.precompile_component(&component) {
        Ok(code) => (DONE, code),
        Err(error) => (REFUSED, format!("{error:#}").into_bytes()),
    };
    let mut output = io::stdout().lock();
    let written = output
        .write_all(&[kind])
        .and_then(|()| output.write_all(&answer));
    written
        .and_then(|()| output.flush())
        .map_err(host("cannot give the code"))
}

/// The code of a component, from a process that is no more when this ends.
///
/// # Errors
/// The component is not valid, or needs more than the limits.
pub(super) fn compile(
    component: &[u8],
    wasi: Wasi,
    limits: &Limits,
    deadline: Instant,
) -> Result<Vec<u8>, Refusal> {
    let mut child =
        start(wasi, limits).map_err(|error| Refusal::host("cannot start a compiler", &error))?;
    let answer = exchange(&mut child, component, limits, deadline);
    // It has ended, or is not waited for any more.
    let _ = child.kill();
    let ended = child
        .wait()
        .map_err(|error| Refusal::host("the compiler is lost", &error))?;
    let last_words = last_words(&mut child)?;
    let answer = answer?;
    match answer.split_first() {
        Some((&DONE, code)) if ended.success() => Ok(code.to_vec()),
        Some((&REFUSED, why)) => {
            let why = String::from_utf8_lossy(&why[..why.len().min(WHY_BYTES)]);
            Err(Refusal::new(Reason::BadComponent, why))
        }
        // It says so itself; whoever needs too much is ended by a signal.
        _ if ended.code() == Some(FAILED.into()) => {
            Err(Refusal::host("cannot run a compiler", &ended))
        }
        _ if [Signal::KILL, Signal::XCPU]
            .map(|signal| Some(signal.as_raw()))
            .contains(&ended.signal()) =>
        {
            Err(too_long(limits))
        }
        _ if last_words.contains(NO_MEMORY) => Err(too_much(limits)),
        _ => {
            let detail = format!("the compiler needs more than its limits: {ended}");
            Err(Refusal::new(Reason::BeyondLimits, detail))
        }
    }
}

/// This program again, whatever lies at its path by now.
fn start(wasi: Wasi, limits: &Limits) -> io::Result<Child> {
    Command::new("/proc/self/exe")
        .env_clear()
        .env(ROLE, serde_json::to_string(&(wasi, limits))?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// What a process that has ended said last.
fn last_words(child: &mut Child) -> Result<String, Refusal> {
    let mut said = Vec::new();
    if let Some(errors) = child.stderr.take() {
        let read = errors.take(WHY_BYTES as u64).read_to_end(&mut said);
        read.map_err(|error| Refusal::host("the compiler is lost", &error))?;
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Gives the component, and takes what comes back in time. Two threads do so; they end when the process does.
fn exchange(
    child: &mut Child,
    component: &[u8],
    limits: &Limits,
    deadline: Instant,
) -> Result<Vec<u8>, Refusal> {
    let lost = || Refusal::host("the compiler is lost", &"it has no input or output");
    let mut input = child.stdin.take().ok_or_else(lost)?;
    let output = child.stdout.take().ok_or_else(lost)?;
    let (size, component) = (component.len() as u64, component.to_vec());
    let most = size.saturating_mul(CODE_FACTOR).saturating_add(CODE_BYTES);
    let (done, answer) = mpsc::channel();
    let spawn = |work: Box<dyn FnOnce() + Send>| {
        let thread = thread::Builder::new().name("compiler".into()).spawn(work);
        thread.map_err(|error| Refusal::host("cannot start a thread", &error))
    };
    spawn(Box::new(move || {
        // One that died takes nothing.
        let _ = input.write_all(&component);
    }))?;
    spawn(Box::new(move || {
        let mut answer = Vec::new();
        let read = output.take(most).read_to_end(&mut answer);
        // Nobody waits any more if the time is over.
        let _ = done.send(read.map(|_| answer));
    }))?;
    match answer.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(answer) => answer.map_err(|error| Refusal::host("the compiler is lost", &error)),
        Err(_) => Err(too_long(limits)),
    }
}

fn too_much(limits: &Limits) -> Refusal {
    let most = limits.compile_memory_bytes >> 20;
    let detail = format!("compiling takes more memory than the limit, {most} MiB");
    Refusal::new(Reason::BeyondLimits, detail)
}

fn too_long(limits: &Limits) -> Refusal {
    let detail = format!("compiling takes more than {} s", limits.compile_seconds);
    Refusal::new(Reason::CompileTimeout, detail)
}
