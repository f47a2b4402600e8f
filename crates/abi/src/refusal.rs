//! Refusals as typed errors of Solidity, and typed errors back into words.

use crate::sol::IErrors as e;
use crate::sol::{ObjectKind, Role as SolRole};
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolInterface as _;
use marketplace::refusal::{Object, Role};
use marketplace::units::{
    self, AuditId, ChangeId, CommitmentId, DatacenterId, DealId, OfferId, PeerId, ProviderId, Time,
    Usdc, WorkerId,
};
use marketplace::{Error, Refusal};

/// What a system contract reverts with: one typed error of `IErrors`.
pub type Revert = e::IErrorsErrors;

/// An error in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// What was refused and why, with its values.
    pub what: String,
    /// What to do about it.
    pub hint: &'static str,
}

fn object(object: Object) -> (ObjectKind, B256) {
    let number = |id: u64| B256::from(U256::from(id));
    match object {
        Object::Provider(id) => (ObjectKind::Provider, number(id.0)),
        Object::Datacenter(id) => (ObjectKind::Datacenter, number(id.0)),
        Object::Peer(id) => (ObjectKind::Peer, id.0.into()),
        Object::Offer(id) => (ObjectKind::Offer, number(id.0)),
        Object::Deal(id) => (ObjectKind::Deal, number(id.0)),
        Object::Worker(id) => (ObjectKind::Worker, number(id.0)),
        Object::Change(id) => (ObjectKind::Change, number(id.0)),
        Object::Commitment(id) => (ObjectKind::Commitment, number(id.0)),
        Object::Audit(id) => (ObjectKind::Audit, number(id.0)),
    }
}

fn object_back(kind: ObjectKind, id: B256) -> Option<Object> {
    let number = u64::try_from(U256::from_be_bytes(id.0)).ok();
    Some(match kind {
        ObjectKind::Provider => Object::Provider(ProviderId(number?)),
        ObjectKind::Datacenter => Object::Datacenter(DatacenterId(number?)),
        ObjectKind::Peer => Object::Peer(PeerId(id.0)),
        ObjectKind::Offer => Object::Offer(OfferId(number?)),
        ObjectKind::Deal => Object::Deal(DealId(number?)),
        ObjectKind::Worker => Object::Worker(WorkerId(number?)),
        ObjectKind::Change => Object::Change(ChangeId(number?)),
        ObjectKind::Commitment => Object::Commitment(CommitmentId(number?)),
        ObjectKind::Audit => Object::Audit(AuditId(number?)),
        ObjectKind::__Invalid => return None,
    })
}

/// Variants that have the same name on both sides.
macro_rules! roles {
    ($($name:ident),*) => {
        fn role(role: Role) -> SolRole {
            match role { $(Role::$name => SolRole::$name,)* }
        }
        fn role_back(role: SolRole) -> Option<Role> {
            match role {
                $(SolRole::$name => Some(Role::$name),)*
                SolRole::__Invalid => None,
            }
        }
    };
}
roles!(
    ProviderOwner,
    Operator,
    ProviderOrOperator,
    DealOwner,
    DealOwnerOrMonitor,
    Heir,
    Governance,
    Delegator,
    Oracle
);

impl From<Refusal> for Revert {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown(unknown) => {
                let (kind, id) = object(unknown);
                Self::Unknown(e::Unknown { kind, id })
            }
            Refusal::NotAllowed { caller, needs } => {
                let caller = caller.0.into();
                let needs = role(needs);
                Self::NotAllowed(e::NotAllowed { caller, needs })
            }
            Refusal::NotYet { what } => Self::NotYet(e::NotYet { what: what.into() }),
            Refusal::OutOfBounds {
                what,
                given,
                min,
                max,
            } => {
                let what = what.into();
                Self::OutOfBounds(e::OutOfBounds {
                    what,
                    given,
                    min,
                    max,
                })
            }
            Refusal::Malformed { what } => Self::Malformed(e::Malformed { what: what.into() }),
            Refusal::NotPayable { value } => Self::NotPayable(e::NotPayable { value: value.0 }),
            Refusal::DepositTooSmall { needed, given } => {
                let (needed, given) = (needed.0, given.0);
                Self::DepositTooSmall(e::DepositTooSmall { needed, given })
            }
            Refusal::BalanceTooLow { needed, available } => {
                let (needed, available) = (needed.0, available.0);
                Self::BalanceTooLow(e::BalanceTooLow { needed, available })
            }
            Refusal::AllowanceTooLow { needed, available } => {
                let (needed, available) = (needed.0, available.0);
                Self::AllowanceTooLow(e::AllowanceTooLow { needed, available })
            }
            Refusal::SupplyTooLarge => Self::SupplyTooLarge(e::SupplyTooLarge {}),
            Refusal::AuthorizationUsed => Self::AuthorizationUsed(e::AuthorizationUsed {}),
            Refusal::EscrowTooSmall { needed, given } => {
                let (needed, given) = (needed.0, given.0);
                Self::EscrowTooSmall(e::EscrowTooSmall { needed, given })
            }
            Refusal::SurplusTooSmall { asked, surplus } => {
                let (asked, surplus) = (asked.0, surplus.0);
                Self::SurplusTooSmall(e::SurplusTooSmall { asked, surplus })
            }
            Refusal::BadPeerSignature => Self::BadPeerSignature(e::BadPeerSignature {}),
            Refusal::PeerTaken(peer) => Self::PeerTaken(e::PeerTaken {
                peer: peer.0.into(),
            }),
            Refusal::PeerInOffer { peer, offer } => {
                let (peer, offer) = (peer.0.into(), offer.0);
                Self::PeerInOffer(e::PeerInOffer { peer, offer })
            }
            Refusal::PeerNotInOffer(peer) => Self::PeerNotInOffer(e::PeerNotInOffer {
                peer: peer.0.into(),
            }),
            Refusal::OtherDatacenter(peer) => Self::OtherDatacenter(e::OtherDatacenter {
                peer: peer.0.into(),
            }),
            Refusal::NotEmpty(full) => {
                let (kind, id) = object(full);
                Self::NotEmpty(e::NotEmpty { kind, id })
            }
            Refusal::PeerNotEmpty(peer) => Self::PeerNotEmpty(e::PeerNotEmpty {
                peer: peer.0.into(),
            }),
            Refusal::UnitsServing { asked, idle } => {
                Self::UnitsServing(e::UnitsServing { asked, idle })
            }
            Refusal::WrongState {
                object: wrong,
                state,
            } => {
                let ((kind, id), state) = (object(wrong), state.into());
                Self::WrongState(e::WrongState { kind, id, state })
            }
            Refusal::AlreadyLeaving { worker, until } => {
                let (worker, until) = (worker.0, until.0);
                Self::AlreadyLeaving(e::AlreadyLeaving { worker, until })
            }
            Refusal::NotOfThisPeer(worker) => {
                Self::NotOfThisPeer(e::NotOfThisPeer { worker: worker.0 })
            }
            Refusal::WrongArtifact => Self::WrongArtifact(e::WrongArtifact {}),
            Refusal::PeerCommitted(peer) => Self::PeerCommitted(e::PeerCommitted {
                peer: peer.0.into(),
            }),
            Refusal::NotCommitted(peer) => Self::NotCommitted(e::NotCommitted {
                peer: peer.0.into(),
            }),
            Refusal::NoUnits(peer) => Self::NoUnits(e::NoUnits {
                peer: peer.0.into(),
            }),
            Refusal::StalePrice => Self::StalePrice(e::StalePrice {}),
            Refusal::TooManyDelegators => Self::TooManyDelegators(e::TooManyDelegators {}),
            Refusal::NothingSent => Self::NothingSent(e::NothingSent {}),
            Refusal::WrongWindow { window } => Self::WrongWindow(e::WrongWindow { window }),
            Refusal::CommittedAlready { peer, window } => {
                let peer = peer.0.into();
                Self::CommittedAlready(e::CommittedAlready { peer, window })
            }
        }
    }
}

/// Stands for a text of the error until the message is written: a refusal's own texts live for ever.
const TEXT: &str = "\u{0}";

/// The refusal behind an error, and the text that belongs where it says [`TEXT`]; None for errors of the host.
fn refusal(revert: Revert) -> Option<(Refusal, String)> {
    let usdc = |amount| Usdc(amount);
    let peer = |key: B256| PeerId(key.0);
    let mut text = String::new();
    let refusal = match revert {
        Revert::Unknown(e) => Refusal::Unknown(object_back(e.kind, e.id)?),
        Revert::NotAllowed(e) => Refusal::NotAllowed {
            caller: units::Address(e.caller.into_array()),
            needs: role_back(e.needs)?,
        },
        Revert::NotYet(e) => {
            text = e.what;
            Refusal::NotYet { what: TEXT }
        }
        Revert::OutOfBounds(e) => {
            text = e.what;
            let (given, min, max) = (e.given, e.min, e.max);
            Refusal::OutOfBounds {
                what: TEXT,
                given,
                min,
                max,
            }
        }
        Revert::Malformed(e) => {
            text = e.what;
            Refusal::Malformed { what: TEXT }
        }
        Revert::NotPayable(e) => Refusal::NotPayable {
            value: units::Flt(e.value),
        },
        Revert::DepositTooSmall(e) => Refusal::DepositTooSmall {
            needed: units::Flt(e.needed),
            given: units::Flt(e.given),
        },
        Revert::BalanceTooLow(e) => Refusal::BalanceTooLow {
            needed: usdc(e.needed),
            available: usdc(e.available),
        },
        Revert::AllowanceTooLow(e) => Refusal::AllowanceTooLow {
            needed: usdc(e.needed),
            available: usdc(e.available),
        },
        Revert::SupplyTooLarge(_) => Refusal::SupplyTooLarge,
        Revert::AuthorizationUsed(_) => Refusal::AuthorizationUsed,
        Revert::EscrowTooSmall(e) => Refusal::EscrowTooSmall {
            needed: usdc(e.needed),
            given: usdc(e.given),
        },
        Revert::SurplusTooSmall(e) => Refusal::SurplusTooSmall {
            asked: usdc(e.asked),
            surplus: usdc(e.surplus),
        },
        Revert::BadPeerSignature(_) => Refusal::BadPeerSignature,
        Revert::PeerTaken(e) => Refusal::PeerTaken(peer(e.peer)),
        Revert::PeerInOffer(e) => Refusal::PeerInOffer {
            peer: peer(e.peer),
            offer: OfferId(e.offer),
        },
        Revert::PeerNotInOffer(e) => Refusal::PeerNotInOffer(peer(e.peer)),
        Revert::OtherDatacenter(e) => Refusal::OtherDatacenter(peer(e.peer)),
        Revert::NotEmpty(e) => Refusal::NotEmpty(object_back(e.kind, e.id)?),
        Revert::PeerNotEmpty(e) => Refusal::PeerNotEmpty(peer(e.peer)),
        Revert::UnitsServing(e) => Refusal::UnitsServing {
            asked: e.asked,
            idle: e.idle,
        },
        Revert::WrongState(e) => {
            text = e.state;
            Refusal::WrongState {
                object: object_back(e.kind, e.id)?,
                state: TEXT,
            }
        }
        Revert::AlreadyLeaving(e) => Refusal::AlreadyLeaving {
            worker: WorkerId(e.worker),
            until: Time(e.until),
        },
        Revert::NotOfThisPeer(e) => Refusal::NotOfThisPeer(WorkerId(e.worker)),
        Revert::WrongArtifact(_) => Refusal::WrongArtifact,
        Revert::PeerCommitted(e) => Refusal::PeerCommitted(peer(e.peer)),
        Revert::NotCommitted(e) => Refusal::NotCommitted(peer(e.peer)),
        Revert::NoUnits(e) => Refusal::NoUnits(peer(e.peer)),
        Revert::StalePrice(_) => Refusal::StalePrice,
        Revert::TooManyDelegators(_) => Refusal::TooManyDelegators,
        Revert::NothingSent(_) => Refusal::NothingSent,
        Revert::WrongWindow(e) => Refusal::WrongWindow { window: e.window },
        Revert::CommittedAlready(e) => Refusal::CommittedAlready {
            peer: peer(e.peer),
            window: e.window,
        },
        Revert::UnknownCall(_)
        | Revert::ReadOnly(_)
        | Revert::NotDelegated(_)
        | Revert::InvalidReceiver(_)
        | Revert::InvalidSignature(_)
        | Revert::SignatureNotValidNow(_)
        | Revert::NotThePayee(_)
        | Revert::InternalFault(_) => return None,
    };
    Some((refusal, text))
}

/// The error in `output`, what a reverted call returned, in words; None if it is none of ours.
pub fn explain(output: &[u8]) -> Option<Explained> {
    let revert: Revert = crate::calldata::strictly(output).ok()?;
    if let Some(host) = explain_host(&revert) {
        return Some(host);
    }
    let (refusal, text) = refusal(revert)?;
    let hint = refusal.hint();
    let whole = refusal.to_string();
    let what = whole
        .strip_suffix(&format!(" (hint: {hint})"))
        .unwrap_or(&whole);
    Some(Explained {
        what: what.replace(TEXT, &text),
        hint,
    })
}

fn explain_host(revert: &Revert) -> Option<Explained> {
    let (what, hint) = match revert {
        Revert::UnknownCall(_) => (
            "the contract has no such call".into(),
            "encode the call with the published interface",
        ),
        Revert::ReadOnly(_) => ("a static call may only read".into(), "send a transaction"),
        Revert::NotDelegated(_) => (
            "system contracts cannot be delegated to".into(),
            "call the contract's own address",
        ),
        Revert::InvalidReceiver(e) => (
            format!("nobody could spend from {}", e.receiver),
            "name another receiver; deals are paid by topUp",
        ),
        Revert::InvalidSignature(_) => (
            "the signature is not the owner's".into(),
            "check domain, nonce, and who signed",
        ),
        Revert::SignatureNotValidNow(e) => (
            format!(
                "the signature is valid from {} to {}",
                e.notBefore, e.notAfter
            ),
            "sign again with another deadline",
        ),
        Revert::NotThePayee(e) => (
            format!("only {} may use this authorization", e.payee),
            "let the payee send it",
        ),
        Revert::InternalFault(e) => (
            format!("fault of the marketplace: {}", e.what),
            "please report it",
        ),
        _ => return None,
    };
    Some(Explained { what, hint })
}

/// What to revert with for an error of the marketplace; None when the gas is used up.
pub fn revert(error: Error) -> Option<Revert> {
    match error {
        Error::Refused(refusal) => Some(refusal.into()),
        Error::OutOfWork => None,
        Error::Fault(what) => {
            let what = what.into();
            Some(Revert::InternalFault(e::InternalFault { what }))
        }
    }
}

/// The bytes of an error.
pub fn encode(revert: &Revert) -> Vec<u8> {
    revert.abi_encode()
}

/// The error for a receiver that nobody controls.
pub fn invalid_receiver(receiver: Address) -> Revert {
    Revert::InvalidReceiver(e::InvalidReceiver { receiver })
}
