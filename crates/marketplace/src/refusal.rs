//! Why a call is refused. A refusal is the caller's, typed and with the values that led to it; running out of
//! work is the budget's; a fault is ours.

use crate::store::OutOfWork;
use crate::units::{
    Address, ChangeId, DatacenterId, DealId, Flt, OfferId, PeerId, ProviderId, Time, Usdc, WorkerId,
};
use std::fmt;

/// Why a call or a step did not happen. The caller of this crate rolls back what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The call is not allowed as things stand. Nothing was written.
    Refused(Refusal),
    /// The budget is used up.
    OutOfWork,
    /// A promise of this crate is broken: its rows contradict each other. Panics in debug builds.
    Fault(&'static str),
}

impl From<OutOfWork> for Error {
    fn from(_: OutOfWork) -> Self {
        Self::OutOfWork
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A fault of ours; loud in tests.
pub(crate) fn fault(what: &'static str) -> Error {
    debug_assert!(false, "fault: {what}");
    Error::Fault(what)
}

/// Something with an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// A provider.
    Provider(ProviderId),
    /// A datacenter.
    Datacenter(DatacenterId),
    /// A peer.
    Peer(PeerId),
    /// An offer.
    Offer(OfferId),
    /// A deal (or the demand it began as).
    Deal(DealId),
    /// A worker.
    Worker(WorkerId),
    /// A change of a parameter.
    Change(ChangeId),
}

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The account that owns the provider.
    ProviderOwner,
    /// The account that the provider's owner offered it to.
    Heir,
    /// The governance account of the network.
    Governance,
    /// The operator key of the peer.
    Operator,
    /// The provider's owner or the peer's operator key.
    ProviderOrOperator,
    /// The account that owns the deal.
    DealOwner,
    /// The deal's owner or its monitor.
    DealOwnerOrMonitor,
}

/// Why a call is refused: what, with which values, and (in [`fmt::Display`]) what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such object.
    Unknown(Object),
    /// The caller may not do this.
    NotAllowed {
        /// Who called.
        caller: Address,
        /// Who may.
        needs: Role,
    },
    /// A feature that is announced but not there yet.
    NotYet {
        /// The feature.
        what: &'static str,
    },
    /// A number outside its bounds, or a list or text longer or shorter than allowed.
    OutOfBounds {
        /// The field.
        what: &'static str,
        /// The value, or the length.
        given: u128,
        /// Smallest allowed.
        min: u128,
        /// Largest allowed.
        max: u128,
    },
    /// A field that is not in the form it must have.
    Malformed {
        /// The field and the form it must have.
        what: &'static str,
    },
    /// The call does not take FLT.
    NotPayable {
        /// What was sent.
        value: Flt,
    },
    /// The call takes a storage deposit, and less FLT was sent.
    DepositTooSmall {
        /// What it takes.
        needed: Flt,
        /// What was sent.
        given: Flt,
    },
    /// The caller's USDC does not cover the amount.
    BalanceTooLow {
        /// What it takes.
        needed: Usdc,
        /// What there is.
        available: Usdc,
    },
    /// The allowance does not cover the amount.
    AllowanceTooLow {
        /// What it takes.
        needed: Usdc,
        /// What is allowed.
        available: Usdc,
    },
    /// A faucet or genesis would make more USDC than fits.
    SupplyTooLarge,
    /// This nonce of a transfer authorization was used or cancelled.
    AuthorizationUsed,
    /// The escrow is below what the demand takes.
    EscrowTooSmall {
        /// The least it takes.
        needed: Usdc,
        /// What was given.
        given: Usdc,
    },
    /// The surplus above the floor is smaller.
    SurplusTooSmall {
        /// What was asked for.
        asked: Usdc,
        /// What there is.
        surplus: Usdc,
    },
    /// The peer's signature over its registration is wrong.
    BadPeerSignature,
    /// The peer is registered already.
    PeerTaken(PeerId),
    /// The peer stands in an offer already.
    PeerInOffer {
        /// The peer.
        peer: PeerId,
        /// Its offer.
        offer: OfferId,
    },
    /// The peer is not in this offer.
    PeerNotInOffer(PeerId),
    /// The peer does not belong to the datacenter of the offer.
    OtherDatacenter(PeerId),
    /// The provider still has datacenters or workers to be paid, or the datacenter peers or offers.
    NotEmpty(Object),
    /// The peer still has workers or units.
    PeerNotEmpty(PeerId),
    /// Fewer units of the peer are idle than are to be removed.
    UnitsServing {
        /// Units to remove.
        asked: u16,
        /// Idle units at the end of the peer's list.
        idle: u16,
    },
    /// The worker is under notice already, and a notice cannot be withdrawn.
    AlreadyLeaving {
        /// The worker.
        worker: WorkerId,
        /// When its notice is over.
        until: Time,
    },
    /// The object is in a state that does not allow this.
    WrongState {
        /// The object.
        object: Object,
        /// Its state.
        state: &'static str,
    },
    /// The worker belongs to another peer.
    NotOfThisPeer(WorkerId),
    /// The worker runs something else than its deal's artifact.
    WrongArtifact,
}

/// Refuses unless `given` lies within the bounds.
pub(crate) fn within(what: &'static str, given: u128, min: u128, max: u128) -> Result<(), Error> {
    if given < min || given > max {
        return Err(Refusal::OutOfBounds {
            what,
            given,
            min,
            max,
        }
        .into());
    }
    Ok(())
}

/// Refuses unless a list or text has a length within the bounds.
pub(crate) fn long(what: &'static str, given: usize, min: usize, max: usize) -> Result<(), Error> {
    let wide = |length: usize| u128::try_from(length).unwrap_or(u128::MAX);
    within(what, wide(given), wide(min), wide(max))
}

/// Refuses unless `holds`.
pub(crate) fn ensure(holds: bool, refusal: Refusal) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(refusal.into()) }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(id) => write!(f, "provider {id}"),
            Self::Datacenter(id) => write!(f, "datacenter {id}"),
            Self::Peer(id) => write!(f, "peer {id}"),
            Self::Offer(id) => write!(f, "offer {id}"),
            Self::Deal(id) => write!(f, "deal {id}"),
            Self::Worker(id) => write!(f, "worker {id}"),
            Self::Change(id) => write!(f, "change {id} that waits"),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProviderOwner => "the provider's owner",
            Self::Heir => "the account it is offered to",
            Self::Governance => "the network's governance account",
            Self::Operator => "the peer's operator key",
            Self::ProviderOrOperator => "the provider's owner or the peer's operator key",
            Self::DealOwner => "the deal's owner",
            Self::DealOwnerOrMonitor => "the deal's owner or its monitor",
        })
    }
}

impl Refusal {
    /// What the caller can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "look at the list of what exists; ids are never reused",
            Self::NotAllowed { .. } => "sign with the account that may do this",
            Self::NotYet { .. } => "leave the field at its default",
            Self::OutOfBounds { .. } => "choose a value within the bounds",
            Self::Malformed { .. } => "write the field in the form named",
            Self::NotPayable { .. } => "send the call without FLT",
            Self::DepositTooSmall { .. } => {
                "send the deposit with the call; it comes back on removal"
            }
            Self::BalanceTooLow { .. } => "add USDC to the account, or name a smaller amount",
            Self::AllowanceTooLow { .. } => "let the owner approve a larger amount",
            Self::SupplyTooLarge => "ask for less",
            Self::AuthorizationUsed => "sign a new authorization with a fresh nonce",
            Self::EscrowTooSmall { .. } => "pay in more, or lower limit price, units or target",
            Self::SurplusTooSmall { .. } => "take at most the surplus, or stop the deal",
            Self::BadPeerSignature => "sign chain id, provider and peer with the peer's own key",
            Self::PeerTaken(_) => "use a new key, or remove the peer where it is registered",
            Self::PeerInOffer { .. } => "take the peer out of its offer first",
            Self::PeerNotInOffer(_) => "look at the peers of the offer",
            Self::OtherDatacenter(_) => "make one offer for each datacenter",
            Self::NotEmpty(_) => "remove what it has first; withdraw what its workers earned",
            Self::PeerNotEmpty(_) => "take it out of its offer and remove its units first",
            Self::UnitsServing { .. } => "wait for the workers on these units to end",
            Self::WrongState { .. } => {
                "look at the state of it; some calls come too late or too early"
            }
            Self::AlreadyLeaving { .. } => "let it serve until then, or leave at once",
            Self::NotOfThisPeer(_) => "each peer speaks for its own workers only",
            Self::WrongArtifact => "fetch the artifact whose hash the deal names",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(object) => write!(f, "there is no {object}"),
            Self::NotAllowed { caller, needs } => {
                write!(f, "{caller} may not do this, {needs} may")
            }
            Self::NotYet { what } => write!(f, "{what}: not supported yet"),
            Self::OutOfBounds {
                what,
                given,
                min,
                max,
            } => {
                write!(f, "{what} is {given}, allowed is {min} to {max}")
            }
            Self::Malformed { what } => write!(f, "malformed: {what}"),
            Self::NotPayable { value } => {
                write!(f, "this call takes no FLT, {value} wei were sent")
            }
            Self::DepositTooSmall { needed, given } => {
                write!(f, "takes a deposit of {needed} wei, {given} were sent")
            }
            Self::BalanceTooLow { needed, available } => {
                write!(
                    f,
                    "needs {needed} millionths of USDC, the account has {available}"
                )
            }
            Self::AllowanceTooLow { needed, available } => {
                write!(
                    f,
                    "needs an allowance of {needed} millionths of USDC, there are {available}"
                )
            }
            Self::SupplyTooLarge => f.write_str("more USDC than can be"),
            Self::AuthorizationUsed => f.write_str("this authorization was used or cancelled"),
            Self::EscrowTooSmall { needed, given } => {
                write!(
                    f,
                    "escrow of {given} millionths of USDC, at least {needed} needed"
                )
            }
            Self::SurplusTooSmall { asked, surplus } => {
                write!(
                    f,
                    "{asked} millionths of USDC asked, {surplus} are above the floor"
                )
            }
            Self::BadPeerSignature => {
                f.write_str("the peer's signature over its registration is wrong")
            }
            Self::PeerTaken(peer) => write!(f, "peer {peer} is registered already"),
            Self::PeerInOffer { peer, offer } => write!(f, "peer {peer} stands in offer {offer}"),
            Self::PeerNotInOffer(peer) => write!(f, "peer {peer} is not in this offer"),
            Self::OtherDatacenter(peer) => {
                write!(f, "peer {peer} is not in the offer's datacenter")
            }
            Self::NotEmpty(object) => write!(f, "{object} is not empty"),
            Self::PeerNotEmpty(peer) => write!(f, "peer {peer} has units or stands in an offer"),
            Self::UnitsServing { asked, idle } => {
                write!(f, "units to remove: {asked}; idle at the end: {idle}")
            }
            Self::WrongState { object, state } => write!(f, "{object} is {state}"),
            Self::AlreadyLeaving { worker, until } => {
                write!(f, "worker {worker} is under notice until {until}")
            }
            Self::NotOfThisPeer(worker) => write!(f, "worker {worker} is another peer's"),
            Self::WrongArtifact => f.write_str("not the artifact of the deal"),
        }?;
        write!(f, " (hint: {})", self.hint())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::OutOfWork => f.write_str("out of work (hint: raise the gas limit)"),
            Self::Fault(what) => write!(
                f,
                "fault of the marketplace: {what} (hint: please report it)"
            ),
        }
    }
}

impl std::error::Error for Error {}
