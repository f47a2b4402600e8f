//! Every call there is, and the one door through which they come.

use crate::cx::Cx;
use crate::refusal::Error;
use crate::store::Store;
use crate::units::{ChangeId, CommitmentId, DatacenterId, DealId, OfferId, ProviderId, Usdc};
use crate::{
    audit, change, commitment, datacenter, deal, demand, deposit, governance, offer, peer, pool,
    provider, usdc, window, worker,
};

/// A call, in the words of its noun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// About USDC: what an ERC-20 face needs.
    Usdc(usdc::Call),
    /// About parameters, made by governance.
    Governance(governance::Call),
    /// About a provider.
    Provider(provider::Call),
    /// About a datacenter.
    Datacenter(datacenter::Call),
    /// About a peer and its units.
    Peer(peer::Call),
    /// About an offer.
    Offer(offer::Call),
    /// About a demand.
    Demand(demand::Call),
    /// About a deal.
    Deal(deal::Call),
    /// About changes of a deal.
    Change(change::Call),
    /// About workers, made by peers.
    Worker(worker::Call),
    /// About a capacity commitment.
    Commitment(commitment::Call),
    /// About windows, made by peers.
    Window(window::Call),
    /// About audits, made by peers.
    Audit(audit::Call),
    /// About the pool of rewards.
    Pool(pool::Call),
}

/// What a call gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is done.
    Done,
    /// The new provider.
    Provider(ProviderId),
    /// The new datacenter.
    Datacenter(DatacenterId),
    /// The new offer.
    Offer(OfferId),
    /// The new demand, which is a deal in state Matching.
    Deal(DealId),
    /// The change that waits.
    Change(ChangeId),
    /// The new commitment.
    Commitment(CommitmentId),
    /// What was paid out.
    Paid(Usdc),
}

/// Does what `call` says, or refuses it and writes nothing.
///
/// # Errors
/// [`Error::Refused`] with the reason; [`Error::OutOfWork`], after which the host rolls back what was written.
pub fn apply<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    let deposited = deposit::check(cx, &call)?;
    let reply = handle(cx, call)?;
    if let Some(amount) = deposited {
        deposit::take(cx, amount)?;
    }
    Ok(reply)
}

fn handle<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    match call {
        Call::Usdc(call) => usdc::apply(cx, call),
        Call::Governance(call) => governance::apply(cx, call),
        Call::Provider(call) => provider::apply(cx, call),
        Call::Datacenter(call) => datacenter::apply(cx, call),
        Call::Peer(call) => peer::apply(cx, call),
        Call::Offer(call) => offer::apply(cx, call),
        Call::Demand(call) => demand::apply(cx, call),
        Call::Deal(call) => deal::apply(cx, call),
        Call::Change(call) => change::apply(cx, call),
        Call::Worker(call) => worker::apply(cx, call),
        Call::Commitment(call) => commitment::apply(cx, call),
        Call::Window(call) => window::apply(cx, call),
        Call::Audit(call) => audit::apply(cx, call),
        Call::Pool(call) => pool::apply(cx, call),
    }
}
