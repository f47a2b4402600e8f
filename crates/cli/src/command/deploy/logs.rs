//! `mp deploy logs`: what a deal's functions log, from the peers that run them.

use crate::chain::Chain;
use crate::printer::Printer;
use anyhow::Context as _;
use clap::Args;
use client::marketplace::units::{DealId, PeerId, WorkerId};
use client::{Client, PeerKey, view};
use peer::overlay::{Address, Error, Limits, Overlay, Route, Store};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};
use tokio::sync::watch;
use worker::control::{LogLine, Source};

/// Distance of looks at the logs while they are followed.
const LOOK: Duration = Duration::from_secs(1);

/// Lines of one worker that are shown at once: as many as it keeps.
const LINES: usize = 1_000;

/// Characters of a line that are shown; a worker keeps fewer.
const CHARACTERS: usize = 8 << 10;

/// The last moment that has a date of the usual form, in milliseconds since 1970.
const LAST_MS: u64 = 253_402_300_799_999;

/// Whose log is read.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The deal.
    pub(crate) deal: u64,
    /// Go on with what is logged from now on.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Of this worker only.
    #[arg(long)]
    pub(crate) worker: Option<u64>,
}

/// A line as programs get it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    worker: u64,
    number: u64,
    unix_ms: u64,
    /// None for the main function of an artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'a str>,
    source: Source,
    text: &'a str,
}

/// What reads.
struct Reader<'a> {
    client: Client,
    overlay: Overlay,
    deal: DealId,
    permit: [u8; client::permit::PERMIT_BYTES],
    /// The next line of each worker.
    next: BTreeMap<WorkerId, u64>,
    /// Workers that have written nothing or whose peer did not answer, so that it is said once.
    silent: BTreeMap<WorkerId, String>,
    printer: &'a Printer,
}

pub(super) async fn run(chain: &Chain, printer: &Printer, logs: &Logs) -> anyhow::Result<()> {
    let (client, account, deal) = (chain.client()?, chain.account()?, DealId(logs.deal));
    let owner = client.deal(deal).await?.owner;
    anyhow::ensure!(
        owner == account.address(),
        "deal {deal} is not yours: its owner is {owner}\nhint: logs are for the owner; name its key with --key"
    );
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let store = Store::open(folder.path()).context("no temporary folder can be used")?;
    let listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    // A key for this time only: the account's own may be giving a function to peers just now.
    let seed = PeerKey::generate().overlay_seed();
    let (_directory, served) = watch::channel(Arc::default());
    let overlay = Overlay::open(seed, listen, Limits::default(), store, served).await?;
    let permit = account.permit_logs(deal, overlay.id());
    let mut reader = Reader {
        client,
        overlay,
        deal,
        permit,
        next: BTreeMap::new(),
        silent: BTreeMap::new(),
        printer,
    };
    loop {
        reader.look(logs.worker).await?;
        if !logs.follow {
            reader.overlay.close().await;
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl Reader<'_> {
    /// Shows what is new of every worker that runs, or of one.
    async fn look(&mut self, only: Option<u64>) -> anyhow::Result<()> {
        let members = self.client.subnet(self.deal).await?.into_iter();
        let wanted = |member: &view::deal::Member| {
            member.running && only.is_none_or(|worker| worker == member.worker)
        };
        let members: Vec<_> = members.filter(wanted).collect();
        if members.is_empty() && self.next.is_empty() {
            let deal = self.deal;
            let what = match only {
                Some(worker) => format!("worker {worker} of deal {deal} does not run"),
                None => format!("no worker of deal {deal} runs"),
            };
            self.say(WorkerId(only.unwrap_or_default()), what);
        }
        for member in members {
            let worker = WorkerId(member.worker);
            let address = Address {
                peer: PeerId(member.peer.0),
                endpoints: member.endpoints,
            };
            let route = Route {
                deal: self.deal,
                worker,
                address,
            };
            match self.read(&route).await {
                Ok(()) if self.next.get(&worker) == Some(&0) => {
                    self.say(worker, format!("worker {worker} has written nothing yet"));
                }
                Ok(()) => _ = self.silent.remove(&worker),
                Err(error) => self.say(worker, format!("worker {worker}: {error}")),
            }
        }
        Ok(())
    }

    /// Shows what is new of one worker.
    async fn read(&mut self, route: &Route) -> Result<(), Error> {
        let next = self.next.entry(route.worker).or_default();
        let mut shown = 0;
        while shown < LINES {
            let logs = self.overlay.logs(route, *next, &self.permit).await?;
            if logs.next < *next {
                // It was started again, and counts from 0.
                *next = 0;
                continue;
            }
            *next = logs.next;
            if logs.lines.is_empty() {
                break;
            }
            shown += logs.lines.len();
            for line in &logs.lines {
                show(self.printer, route.worker, line);
            }
        }
        Ok(())
    }

    /// Says something about a worker, unless it was said last.
    fn say(&mut self, worker: WorkerId, what: String) {
        if self.silent.get(&worker) != Some(&what) {
            self.printer.note(&what);
            self.silent.insert(worker, what);
        }
    }
}

fn show(printer: &Printer, worker: WorkerId, line: &LogLine) {
    let text = printable(&line.text);
    let function = line.function.as_deref().map(printable);
    let shown = Shown {
        worker: worker.0,
        number: line.number,
        unix_ms: line.unix_ms,
        function: function.as_deref(),
        source: line.source,
        text: &text,
    };
    let time = UNIX_EPOCH + Duration::from_millis(line.unix_ms.min(LAST_MS));
    let time = humantime::format_rfc3339_millis(time);
    let source = format!("{:?}", line.source).to_lowercase();
    let writer = function
        .as_ref()
        .map_or_else(String::new, |function| format!("{function} "));
    let text = format!("{time} worker {worker} {writer}{source}: {text}");
    printer.result(&shown, &text);
}

/// Fit for a terminal. The worker did the same, but a peer may say what it likes.
fn printable(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars().take(CHARACTERS) {
        match character.is_control() {
            true => line.extend(character.escape_default()),
            false => line.push(character),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{CHARACTERS, printable};

    /// (P13)
    #[test]
    fn whatever_a_peer_says_a_terminal_takes_no_orders_from_it() {
        assert_eq!(
            printable("\u{1b}[2J\u{9b}1mred\r\n"),
            "\\u{1b}[2J\\u{9b}1mred\\r\\n"
        );
        assert_eq!(printable(&"x".repeat(2 * CHARACTERS)).len(), CHARACTERS);
    }
}
