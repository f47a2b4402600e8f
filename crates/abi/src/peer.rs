//! Peers: calls, events and records of `IPeer.sol`.

use crate::attribute;
use crate::calldata::{Query, Request};
use crate::refusal::Revert;
use crate::sol::IPeer::{self as i, IPeerCalls as Calls};
use alloy_primitives::LogData;
use alloy_sol_types::{SolCall as _, SolEvent as _};
use marketplace::peer::{Call, Event, PEERS, Peer, Registration, Units, units};
use marketplace::refusal::Object;
use marketplace::store::Store;
use marketplace::units::{Address, DatacenterId, OfferId, PeerId};
use marketplace::{Cx, Error, Refusal};

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let call = match calls {
        Calls::registerPeer(c) => Call::Register(c.registration.try_into()?),
        Calls::setPeerEndpoints(c) => Call::SetEndpoints {
            peer: PeerId(c.peer.0),
            endpoints: c.endpoints,
        },
        Calls::setPeerOperator(c) => Call::SetOperator {
            peer: PeerId(c.peer.0),
            operator: Address(c.operator.into_array()),
        },
        Calls::setPeerAttributes(c) => Call::SetAttributes {
            peer: PeerId(c.peer.0),
            attributes: attribute::decode(c.attributes)?,
        },
        Calls::addUnits(c) => Call::AddUnits {
            peer: PeerId(c.peer.0),
            count: c.count,
        },
        Calls::removeUnits(c) => Call::RemoveUnits {
            peer: PeerId(c.peer.0),
            count: c.count,
        },
        Calls::removePeer(c) => Call::Remove {
            peer: PeerId(c.peer.0),
        },
        Calls::getPeer(c) => return Ok(Request::Query(Query::Peer(PeerId(c.peer.0)))),
    };
    Ok(Request::Call(marketplace::Call::Peer(call)))
}

pub(crate) fn encode(call: &Call) -> Vec<u8> {
    match call.clone() {
        Call::Register(registration) => i::registerPeerCall {
            registration: registration.into(),
        }
        .abi_encode(),
        Call::SetEndpoints { peer, endpoints } => {
            let peer = peer.0.into();
            i::setPeerEndpointsCall { peer, endpoints }.abi_encode()
        }
        Call::SetOperator { peer, operator } => {
            let (peer, operator) = (peer.0.into(), operator.0.into());
            i::setPeerOperatorCall { peer, operator }.abi_encode()
        }
        Call::SetAttributes { peer, attributes } => i::setPeerAttributesCall {
            peer: peer.0.into(),
            attributes: attribute::encode(attributes),
        }
        .abi_encode(),
        Call::AddUnits { peer, count } => {
            let peer = peer.0.into();
            i::addUnitsCall { peer, count }.abi_encode()
        }
        Call::RemoveUnits { peer, count } => {
            let peer = peer.0.into();
            i::removeUnitsCall { peer, count }.abi_encode()
        }
        Call::Remove { peer } => i::removePeerCall {
            peer: peer.0.into(),
        }
        .abi_encode(),
    }
}

pub(crate) fn log(event: &Event) -> LogData {
    match event.clone() {
        Event::Registered {
            peer,
            provider,
            datacenter,
            operator,
        } => i::PeerRegistered {
            peer: peer.0.into(),
            provider: provider.0,
            datacenter: datacenter.0,
            operator: operator.0.into(),
        }
        .encode_log_data(),
        Event::EndpointsSet { peer, endpoints } => {
            let peer = peer.0.into();
            i::PeerEndpointsSet { peer, endpoints }.encode_log_data()
        }
        Event::OperatorSet { peer, operator } => {
            let (peer, operator) = (peer.0.into(), operator.0.into());
            i::PeerOperatorSet { peer, operator }.encode_log_data()
        }
        Event::AttributesSet { peer } => i::PeerAttributesSet {
            peer: peer.0.into(),
        }
        .encode_log_data(),
        Event::UnitsChanged { peer, units } => {
            let peer = peer.0.into();
            i::PeerUnitsChanged { peer, units }.encode_log_data()
        }
        Event::Reported { peer, until } => {
            let (peer, until) = (peer.0.into(), until.0);
            i::PeerReported { peer, until }.encode_log_data()
        }
        Event::Removed { peer } => i::PeerRemoved {
            peer: peer.0.into(),
        }
        .encode_log_data(),
    }
}

pub(crate) fn answer<S: Store>(cx: &mut Cx<'_, S>, id: PeerId) -> Result<Vec<u8>, Error> {
    let unknown = Refusal::Unknown(Object::Peer(id));
    let peer = PEERS.get(cx.store, &id)?.ok_or(unknown)?;
    let record = (peer, units(cx.store, id)?);
    Ok(i::getPeerCall::abi_encode_returns(&record.into()))
}

impl From<(Peer, Units)> for i::PeerRecord {
    fn from((peer, units): (Peer, Units)) -> Self {
        Self {
            provider: peer.provider.0,
            datacenter: peer.datacenter.0,
            operator: peer.operator.0.into(),
            endpoints: peer.endpoints,
            oldestVersion: peer.oldest_version,
            newestVersion: peer.newest_version,
            attributes: attribute::encode(peer.attributes),
            offer: peer.offer.unwrap_or(OfferId(0)).0,
            units: units.registered(),
            idle: units.registered().saturating_sub(units.serving()),
        }
    }
}

impl From<Registration> for i::PeerRegistration {
    fn from(registration: Registration) -> Self {
        Self {
            datacenter: registration.datacenter.0,
            peer: registration.peer.0.into(),
            signature: registration.signature.to_vec().into(),
            operator: registration.operator.0.into(),
            endpoints: registration.endpoints,
            oldestVersion: registration.oldest_version,
            newestVersion: registration.newest_version,
            attributes: attribute::encode(registration.attributes),
            units: registration.units,
        }
    }
}

impl TryFrom<i::PeerRegistration> for Registration {
    type Error = Refusal;

    fn try_from(registration: i::PeerRegistration) -> Result<Self, Refusal> {
        let signature: Result<[u8; 64], _> = registration.signature.as_ref().try_into();
        Ok(Self {
            datacenter: DatacenterId(registration.datacenter),
            peer: PeerId(registration.peer.0),
            signature: signature.map_err(|_| Refusal::BadPeerSignature)?,
            operator: Address(registration.operator.into_array()),
            endpoints: registration.endpoints,
            oldest_version: registration.oldestVersion,
            newest_version: registration.newestVersion,
            attributes: attribute::decode(registration.attributes)?,
            units: registration.units,
        })
    }
}
