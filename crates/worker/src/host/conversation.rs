//! The worker's side of the control socket.

use super::{life::Shared, process, unit::Phase};
use crate::control::{Health, MAX_REQUEST_BYTES, Metrics, PROTOCOL, Reply, Request, receive, send};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::BufReader,
    net::{UnixListener, UnixStream},
    task::JoinSet,
    time::{Instant, timeout},
};

/// Conversations at once. A supervisor needs one; the others are for people who look.
const CONVERSATIONS: usize = 8;

/// A supervisor that reads nothing for so long is not talked to any more.
const WRITE: Duration = Duration::from_secs(5);

/// Talks with whoever this user sends. Does not end.
pub(super) async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    let mut conversations = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = conversations.join_next() => {}
            accepted = listener.accept(), if conversations.len() < CONVERSATIONS => match accepted {
                Ok((stream, _)) if is_ours(&stream) => drop(conversations.spawn(talk(stream, shared.clone()))),
                Ok(_) => {}
                // Out of descriptors, most likely: some will be closed.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

fn is_ours(stream: &UnixStream) -> bool {
    let user = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == user)
}

async fn talk(stream: UnixStream, shared: Arc<Shared>) {
    // The other side learns of it by the end of the conversation.
    let _ = converse(&mut BufReader::new(stream), &shared).await;
}

async fn converse(line: &mut BufReader<UnixStream>, shared: &Shared) -> io::Result<()> {
    let mut is_known = false;
    loop {
        let request = match receive(line, MAX_REQUEST_BYTES).await {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(error) => {
                let why = error.to_string();
                return tell(line, &Reply::Refused { why }).await;
            }
        };
        let reply = answer(shared, &request, &mut is_known);
        tell(line, &reply).await?;
        match request {
            Request::Drain if is_known => shared.advance(Phase::Draining),
            Request::Stop if is_known => shared.advance(Phase::Stopped),
            _ => {}
        }
    }
}

async fn tell(line: &mut BufReader<UnixStream>, reply: &Reply) -> io::Result<()> {
    timeout(WRITE, send(line, reply)).await?
}

fn answer(shared: &Shared, request: &Request, is_known: &mut bool) -> Reply {
    if let Request::Hello { protocol } = request {
        *is_known = *protocol == PROTOCOL;
    }
    if !*is_known {
        let why = format!("begin with hello in protocol {PROTOCOL}");
        return Reply::Refused { why };
    }
    shared.contact.send_replace(Instant::now());
    let functions = &shared.functions;
    match request {
        Request::Hello { .. } => Reply::Hello(shared.hello.clone()),
        Request::Health => Reply::Health(Health {
            accepting: *shared.phase.borrow() == Phase::Serving,
            in_flight: u32::try_from(functions.meter.running()).unwrap_or(u32::MAX),
            resident_bytes: process::resident_bytes(),
        }),
        Request::Metrics => {
            let (log_lines, log_lines_dropped) = functions.log.counts();
            Reply::Metrics(Metrics {
                log_lines,
                log_lines_dropped,
                ..functions.meter.read()
            })
        }
        Request::Logs { from } => Reply::Logs(functions.log.read(*from)),
        Request::Drain | Request::Stop => Reply::Done,
    }
}
