//! Calldata of the marketplace: to and from its calls, and the queries that contracts may make. (X5)

use crate::refusal::Revert;
use crate::sol::{
    IAudit::IAuditCalls, IChange::IChangeCalls, ICommitment::ICommitmentCalls,
    IDatacenter::IDatacenterCalls, IDeal::IDealCalls, IDemand::IDemandCalls,
    IDeposit::IDepositCalls, IErrors::UnknownCall, IGovernance::IGovernanceCalls,
    IOffer::IOfferCalls, IPeer::IPeerCalls, IPool::IPoolCalls, IProvider::IProviderCalls,
    ITime::ITimeCalls, IWindow::IWindowCalls, IWorker::IWorkerCalls,
};
use crate::{
    audit, change, commitment, datacenter, deal, demand, deposit, governance, offer, peer, pool,
    provider, time, window, worker,
};
use alloy_sol_types::{SolInterface, SolValue as _, abi::AbiDecoderConfig};
use marketplace::store::Store;
use marketplace::units::{
    AuditId, ChangeId, CommitmentId, DatacenterId, DealId, OfferId, PeerId, ProviderId, WorkerId,
};
use marketplace::{Call, Cx, Error, Reply};

/// Bytes that decoding one call may take in memory.
const MEMORY_LIMIT: usize = 4 << 20;

/// What calldata of the marketplace asks for.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is a call most of the time"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// To do something.
    Call(Call),
    /// To read something.
    Query(Query),
}

/// What a contract may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// A provider.
    Provider(ProviderId),
    /// A datacenter.
    Datacenter(DatacenterId),
    /// A peer.
    Peer(PeerId),
    /// An offer.
    Offer(OfferId),
    /// The terms of a demand, or of the deal it became.
    Demand(DealId),
    /// A deal.
    Deal(DealId),
    /// A worker.
    Worker(WorkerId),
    /// A capacity commitment.
    Commitment(CommitmentId),
    /// Who deposited for a commitment.
    Delegations(CommitmentId),
    /// Where a peer stands with its commitments.
    Pledge(PeerId),
    /// A window; None: the newest.
    Window(Option<u64>),
    /// An audit.
    Audit(AuditId),
    /// Audits of a peer that are not over.
    Audits(PeerId),
    /// The pool of rewards, its fund and the price of FLT.
    Pool,
    /// The value of a parameter.
    Parameter(String),
    /// The storage deposit of one object.
    Deposit,
    /// Protocol time.
    Time,
}

/// Decodes calldata of the marketplace.
///
/// # Errors
/// What to revert with: [`UnknownCall`] for anything but the encoding of a call (bytes may follow it), or a refusal
/// that names the field whose value makes no sense.
pub fn decode(data: &[u8]) -> Result<Request, Revert> {
    let selector = data
        .first_chunk()
        .ok_or(Revert::UnknownCall(UnknownCall {}))?;
    macro_rules! first_of {
        ($($calls:ty => $decode:path,)*) => {
            $(if <$calls>::valid_selector(*selector) {
                return $decode(strictly::<$calls>(data)?);
            })*
        };
    }
    first_of! {
        IDepositCalls => deposit::decode,
        IGovernanceCalls => governance::decode,
        IProviderCalls => provider::decode,
        IDatacenterCalls => datacenter::decode,
        IPeerCalls => peer::decode,
        IOfferCalls => offer::decode,
        IDemandCalls => demand::decode,
        IDealCalls => deal::decode,
        IChangeCalls => change::decode,
        IWorkerCalls => worker::decode,
        ICommitmentCalls => commitment::decode,
        IWindowCalls => window::decode,
        IAuditCalls => audit::decode,
        IPoolCalls => pool::decode,
        ITimeCalls => time::decode,
    }
    Err(Revert::UnknownCall(UnknownCall {}))
}

/// Decodes the calls (or errors) of one interface. Overlapping offsets would let few bytes decode to very many: only
/// the one canonical encoding gets in, so the work is in proportion to the bytes.
///
/// # Errors
/// [`UnknownCall`] for anything else; bytes may follow the encoding.
pub fn strictly<C: SolInterface>(data: &[u8]) -> Result<C, Revert> {
    let config = AbiDecoderConfig::new()
        .strict(true)
        .validate_allow_trailing_bytes(true)
        .memory_limit(MEMORY_LIMIT);
    C::abi_decode_with_config(data, config).map_err(|_| Revert::UnknownCall(UnknownCall {}))
}

/// The calldata that makes `call`.
pub fn encode(call: &Call) -> Vec<u8> {
    match call {
        Call::Usdc(call) => crate::usdc::encode(call),
        Call::Governance(call) => governance::encode(call),
        Call::Provider(call) => provider::encode(call),
        Call::Datacenter(call) => datacenter::encode(call),
        Call::Peer(call) => peer::encode(call),
        Call::Offer(call) => offer::encode(call),
        Call::Demand(call) => demand::encode(call),
        Call::Deal(call) => deal::encode(call),
        Call::Change(call) => change::encode(call),
        Call::Worker(call) => worker::encode(call),
        Call::Commitment(call) => commitment::encode(call),
        Call::Window(call) => window::encode(call),
        Call::Audit(call) => audit::encode(call),
        Call::Pool(call) => pool::encode(call),
    }
}

/// What a call returns.
pub fn reply(reply: Reply) -> Vec<u8> {
    match reply {
        Reply::Done => Vec::new(),
        Reply::Change(ChangeId(id))
        | Reply::Provider(ProviderId(id))
        | Reply::Datacenter(DatacenterId(id))
        | Reply::Offer(OfferId(id))
        | Reply::Commitment(CommitmentId(id))
        | Reply::Deal(DealId(id)) => id.abi_encode(),
        Reply::Paid(amount) => amount.0.abi_encode(),
    }
}

impl Query {
    /// What it returns.
    ///
    /// # Errors
    /// `Unknown` if there is no such object; out of work.
    pub fn answer<S: Store>(self, cx: &mut Cx<'_, S>) -> Result<Vec<u8>, Error> {
        match self {
            Self::Provider(id) => provider::answer(cx, id),
            Self::Datacenter(id) => datacenter::answer(cx, id),
            Self::Peer(id) => peer::answer(cx, id),
            Self::Offer(id) => offer::answer(cx, id),
            Self::Demand(id) => demand::answer(cx, id),
            Self::Deal(id) => deal::answer(cx, id),
            Self::Worker(id) => worker::answer(cx, id),
            Self::Commitment(id) => commitment::answer(cx, id),
            Self::Delegations(id) => commitment::answer_delegations(cx, id),
            Self::Pledge(peer) => commitment::answer_pledge(cx, peer),
            Self::Window(window) => window::answer(cx, window),
            Self::Audit(id) => audit::answer(cx, id),
            Self::Audits(peer) => audit::answer_all(cx, peer),
            Self::Pool => pool::answer(cx),
            Self::Parameter(name) => governance::answer(cx, &name),
            Self::Deposit => Ok(deposit::answer(cx)),
            Self::Time => Ok(time::answer(cx)),
        }
    }
}
