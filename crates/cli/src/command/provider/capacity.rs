//! `mp provider capacity`.

use super::owned;
use crate::amount::counted;
use crate::chain::{Chain, all};
use crate::commitment::standing;
use crate::printer::Printer;
use alloy_primitives::B256;
use client::marketplace::units::{CommitmentId, PeerId, ProviderId};
use client::view::audit::Audit;
use client::view::commitment::{Commitment, Pledge};
use client::view::time::Time;
use client::view::unit::{Unit, Whereabouts};
use client::{Client, Error};
use serde::Serialize;

/// A peer's units and its commitments.
#[derive(Serialize)]
struct Capacity {
    provider: u64,
    peer: B256,
    units: Vec<Unit>,
    pledge: Option<Pledge>,
    /// The commitment that holds now, or held last.
    commitment: Option<Commitment>,
    /// The one that is to follow.
    successor: Option<Commitment>,
    /// Audits that are not over.
    audits: Vec<Audit>,
}

pub(super) async fn run(chain: &Chain, printer: &Printer) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.account()?);
    let now = client.time().await?;
    let mut found = Vec::new();
    for provider in owned(&client, account.address()).await? {
        let id = ProviderId(provider.id);
        let page = async |after, limit| client.peers(id, after, limit).await;
        for peer in all(page, |peer| PeerId(peer.id.0)).await? {
            found.push(capacity(&client, id, peer.id).await?);
        }
    }
    let text: String = found.iter().map(|each| each.text(&now)).collect();
    printer.result(&found, &text);
    Ok(())
}

async fn capacity(client: &Client, provider: ProviderId, peer: B256) -> anyhow::Result<Capacity> {
    let id = PeerId(peer.0);
    let pledge = client.pledge(id).await?;
    let current = pledge.as_ref().map(|pledge| pledge.current);
    let successor = pledge.as_ref().and_then(|pledge| pledge.successor);
    Ok(Capacity {
        provider: provider.0,
        peer,
        units: client.units(id).await?,
        commitment: commitment(client, current).await?,
        successor: commitment(client, successor).await?,
        audits: client.audits(id).await?,
        pledge,
    })
}

/// A commitment, unless it is paid out and gone.
async fn commitment(client: &Client, id: Option<u64>) -> Result<Option<Commitment>, Error> {
    let Some(id) = id else { return Ok(None) };
    match client.commitment(CommitmentId(id)).await {
        Ok(commitment) => Ok(Some(commitment)),
        Err(Error::Unknown { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Capacity {
    fn text(&self, now: &Time) -> String {
        let units = counted(self.units.len(), "CU");
        let mut text = format!("peer {}: {units}: {}", self.peer, self.whereabouts());
        if let Some(pledge) = &self.pledge {
            text += &format!("; {} proven together", pledge.proven);
        }
        text += "\n";
        match &self.commitment {
            None => text += "  no commitment\n",
            Some(commitment) => text += &self.commitment(now, commitment),
        }
        if let Some(successor) = &self.successor {
            let standing = standing(now, successor);
            text += &format!("  its successor, commitment {}, {standing}\n", successor.id);
        }
        text
    }

    /// How many units are where.
    fn whereabouts(&self) -> String {
        let count = |which: fn(&Whereabouts) -> bool| {
            let units = self.units.iter();
            units.filter(|unit| which(&unit.whereabouts)).count()
        };
        let parts = [
            (
                count(|at| matches!(at, Whereabouts::Serving { .. })),
                "serving",
            ),
            (count(|at| matches!(at, Whereabouts::Proving)), "proving"),
            (
                count(|at| matches!(at, Whereabouts::Cooling { .. })),
                "cooling",
            ),
            (count(|at| matches!(at, Whereabouts::Idle)), "idle"),
            (count(|at| matches!(at, Whereabouts::Exited)), "expelled"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<_> = parts.map(|(count, at)| format!("{count} {at}")).collect();
        match parts.is_empty() {
            true => "none".into(),
            false => parts.join(", "),
        }
    }

    fn commitment(&self, now: &Time, commitment: &Commitment) -> String {
        let mut text = format!(
            "  commitment {} of class {}: {}; missed {} of {}",
            commitment.id,
            commitment.class,
            standing(now, commitment),
            commitment.missed,
            commitment.miss_limit
        );
        if commitment.flag > 0 {
            let windows = counted(commitment.flag, "window");
            text += &format!("; audited in the next {windows}");
        }
        let open = self.audits.iter().filter(|audit| audit.is_open()).count();
        if open > 0 {
            text += &format!("; {} to answer", counted(open, "audit"));
        }
        text += "\n";
        let sum = |of: fn(&client::view::commitment::Proof) -> u64| {
            let units = commitment.proofs.iter();
            units.map(of).fold(0, u64::saturating_add)
        };
        let (owed, passed) = (sum(|unit| unit.owed), sum(|unit| unit.passed.into()));
        if !commitment.proofs.is_empty() {
            text += &format!(
                "  epoch {}: {} of all units passed, {owed} owed so far, {} not counted yet\n",
                commitment.epoch,
                counted(passed, "window"),
                sum(|unit| unit.entered)
            );
        }
        text
    }
}
