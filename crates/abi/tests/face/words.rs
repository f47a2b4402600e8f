//! A refusal says the same on both sides of the chain.

use abi::refusal::{Revert, encode, explain};
use marketplace::Refusal;
use marketplace::refusal::{Object, Role};
use marketplace::units::{
    Address, AuditId, ChangeId, CommitmentId, DealId, Flt, OfferId, PeerId, ProviderId, Time, Usdc,
    WorkerId,
};

fn refusals() -> Vec<Refusal> {
    let peer = PeerId([7; 32]);
    let (needed, available) = (Usdc(2), Usdc(1));
    vec![
        Refusal::Unknown(Object::Deal(DealId(7))),
        Refusal::Unknown(Object::Peer(peer)),
        Refusal::NotAllowed {
            caller: Address([1; 20]),
            needs: Role::DealOwnerOrMonitor,
        },
        Refusal::NotAllowed {
            caller: Address([1; 20]),
            needs: Role::Governance,
        },
        Refusal::NotAllowed {
            caller: Address([1; 20]),
            needs: Role::Heir,
        },
        Refusal::Unknown(Object::Change(ChangeId(5))),
        Refusal::NotYet {
            what: "request pricing",
        },
        Refusal::OutOfBounds {
            what: "units",
            given: 9,
            min: 1,
            max: 8,
        },
        Refusal::Malformed {
            what: "country: two capital letters",
        },
        Refusal::NotPayable {
            value: Flt(u128::MAX),
        },
        Refusal::DepositTooSmall {
            needed: Flt(2),
            given: Flt(1),
        },
        Refusal::NotEmpty(Object::Provider(ProviderId(3))),
        Refusal::BalanceTooLow { needed, available },
        Refusal::AllowanceTooLow { needed, available },
        Refusal::SupplyTooLarge,
        Refusal::AuthorizationUsed,
        Refusal::EscrowTooSmall {
            needed,
            given: available,
        },
        Refusal::SurplusTooSmall {
            asked: needed,
            surplus: available,
        },
        Refusal::BadPeerSignature,
        Refusal::PeerTaken(peer),
        Refusal::PeerInOffer {
            peer,
            offer: OfferId(3),
        },
        Refusal::PeerNotInOffer(peer),
        Refusal::OtherDatacenter(peer),
        Refusal::PeerNotEmpty(peer),
        Refusal::UnitsServing { asked: 2, idle: 1 },
        Refusal::WrongState {
            object: Object::Worker(WorkerId(4)),
            state: "gone",
        },
        Refusal::AlreadyLeaving {
            worker: WorkerId(4),
            until: Time(9),
        },
        Refusal::NotOfThisPeer(WorkerId(4)),
        Refusal::WrongArtifact,
        Refusal::PeerCommitted(peer),
        Refusal::NotCommitted(peer),
        Refusal::NoUnits(peer),
        Refusal::StalePrice,
        Refusal::TooManyDelegators,
        Refusal::NothingSent,
        Refusal::WrongWindow { window: 5 },
        Refusal::CommittedAlready { peer, window: 5 },
        Refusal::Unknown(Object::Audit(AuditId(5))),
        Refusal::WrongState {
            object: Object::Commitment(CommitmentId(5)),
            state: "active",
        },
        Refusal::NotAllowed {
            caller: Address([1; 20]),
            needs: Role::Delegator,
        },
        Refusal::NotAllowed {
            caller: Address([1; 20]),
            needs: Role::Oracle,
        },
    ]
}

/// (X3)
#[test]
fn a_refusal_reads_the_same_after_the_way_through_solidity() {
    for refusal in refusals() {
        let bytes = encode(&Revert::from(refusal.clone()));
        let words = explain(&bytes).unwrap_or_else(|| panic!("{refusal:?}"));
        assert_eq!(words.hint, refusal.hint());
        assert_eq!(
            format!("{} (hint: {})", words.what, words.hint),
            refusal.to_string()
        );
    }
}

#[test]
fn bytes_that_are_no_error_of_ours_are_not_explained() {
    for bytes in [&[][..], &[0; 4], &[0x08, 0xc3, 0x79, 0xa0], &[0xff; 68]] {
        assert_eq!(explain(bytes), None);
    }
}
