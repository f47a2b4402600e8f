//! Peers: servers in a datacenter, and their compute units.
//!
//! A unit is one core (two threads) with 4 GiB of RAM. Its whereabouts is one field of one row:
//! ```text
//! (added) -> Idle -> Serving(worker) -> Idle -> (removed)
//!             |          ^   |
//!             +-> Proving ---+-> Cooling(window) = Proving from that window on       (its commitment is active)
//!                     +-> Exited (a fraud) -> Idle, when its commitment is over
//! ```
//! Promises (`docs/spec/supply.md`):
//! - S3: a peer is registered once, under the ed25519 key of its endpoint, with that key's signature.
//! - S4: a peer stands in one datacenter and in at most one offer.
//! - S5: a unit serves at most one worker; a worker gets the lowest idle units of its peer.
//! - S6: a unit that serves, and a peer that has units or stands in an offer, cannot be removed.

use crate::attribute::{Attribute, check_all};
use crate::call::Reply;
use crate::commitment::{self, CommitmentNow, Delegated, Offence, PLEDGES};
use crate::cx::Cx;
use crate::limits::{MAX_ENDPOINT, MAX_ENDPOINTS, MAX_UNITS};
use crate::matching::queue;
use crate::provider::{self, PROVIDERS};
use crate::refusal::{Error, Object, Refusal, Role, ensure, fault, long, within};
use crate::store::Store;
use crate::table::Table;
use crate::units::{Address, DatacenterId, Flt, OfferId, PeerId, ProviderId, Time, WorkerId};
use crate::{datacenter, deal, deposit};
use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::{Signature, VerifyingKey};

/// A peer.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Whose.
    pub provider: ProviderId,
    /// Where it stands.
    pub datacenter: DatacenterId,
    /// The key that reports for it; it never withdraws.
    pub operator: Address,
    /// Where its overlay endpoint listens: `host:port`, at most 4.
    pub endpoints: Vec<String>,
    /// Oldest protocol version it speaks.
    pub oldest_version: u32,
    /// Newest protocol version it speaks.
    pub newest_version: u32,
    /// Claims about it, such as `cpu.arch`, `net.mbps`, `effector.*`.
    pub attributes: Vec<Attribute>,
    /// The offer it stands in.
    pub offer: Option<OfferId>,
    /// Its storage deposit, with that of its units.
    pub deposit: Flt,
}

impl Peer {
    /// What of the deposit goes back with `count` of `registered` units, rounded down: the peer counts as one more.
    fn share(&self, count: u16, registered: u16) -> Flt {
        let parts = u128::from(registered).saturating_add(1);
        let share = self.deposit.0.saturating_mul(count.into());
        Flt(share.checked_div(parts).unwrap_or(0))
    }
}

/// What a new peer says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The datacenter, which names the provider too.
    pub datacenter: DatacenterId,
    /// Its key.
    pub peer: PeerId,
    /// The key's ed25519 signature over [`registration_message`].
    pub signature: [u8; 64],
    /// The key that reports for it.
    pub operator: Address,
    /// Where its overlay endpoint listens.
    pub endpoints: Vec<String>,
    /// Oldest protocol version it speaks.
    pub oldest_version: u32,
    /// Newest protocol version it speaks.
    pub newest_version: u32,
    /// Claims about it.
    pub attributes: Vec<Attribute>,
    /// How many units it has.
    pub units: u16,
}

/// Where a unit is.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// It serves nobody.
    Idle,
    /// It serves nobody and proves itself, in each window.
    Proving,
    /// It served, and owes windows again from this one on.
    Cooling(u64),
    /// It serves this worker.
    Serving(WorkerId),
    /// A fraud expelled it until its peer's commitment is over.
    Exited,
}

/// The units of a peer: where each is, by its index. One row, so that a million idle units are a few thousand rows and
/// a worker that takes some of them writes one.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Units(pub Vec<Whereabouts>);

impl Units {
    /// How many there are.
    #[must_use]
    pub fn registered(&self) -> u16 {
        count(self.0.len())
    }

    /// How many of them serve a worker.
    #[must_use]
    pub fn serving(&self) -> u16 {
        let serves = |unit: &&Whereabouts| matches!(unit, Whereabouts::Serving(_));
        count(self.0.iter().filter(serves).count())
    }

    /// How many at the end of the list serve no worker.
    fn idle_at_the_end(&self) -> u16 {
        let last = self.0.iter().rev();
        count(last.take_while(|unit| **unit == Whereabouts::Idle).count())
    }
}

fn count(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// A peer's sign of life.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// When it last reported.
    pub reported: Time,
    /// Until when its workers are kept without another report.
    pub until: Time,
}

/// Peers by key.
pub const PEERS: Table<PeerId, Peer> = Table::new(0x12, "peers");
/// Units by peer: every peer has a row.
pub const UNITS: Table<PeerId, Units> = Table::new(0x13, "units");
/// Leases by peer.
pub const LEASES: Table<PeerId, Lease> = Table::new(0x14, "leases");

/// Calls about peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The provider's owner registers a peer with its units.
    Register(Registration),
    /// The provider's owner or the operator key says where it listens.
    SetEndpoints {
        /// Which.
        peer: PeerId,
        /// `host:port`, at most 4.
        endpoints: Vec<String>,
    },
    /// The provider's owner names another key that reports for it, from now on and for the workers it has.
    SetOperator {
        /// Which.
        peer: PeerId,
        /// The key.
        operator: Address,
    },
    /// The provider's owner states its attributes anew; workers already assigned stay.
    SetAttributes {
        /// Which.
        peer: PeerId,
        /// All of them.
        attributes: Vec<Attribute>,
    },
    /// The provider's owner adds units.
    AddUnits {
        /// Which.
        peer: PeerId,
        /// How many.
        count: u16,
    },
    /// The provider's owner removes the last units, which must be idle.
    RemoveUnits {
        /// Which.
        peer: PeerId,
        /// How many.
        count: u16,
    },
    /// The provider's owner removes a peer without units that stands in no offer.
    Remove {
        /// Which.
        peer: PeerId,
    },
}

/// What happens to peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a new peer.
    Registered {
        /// Its key.
        peer: PeerId,
        /// Whose.
        provider: ProviderId,
        /// Where it stands.
        datacenter: DatacenterId,
        /// The key that reports for it.
        operator: Address,
    },
    /// It listens elsewhere.
    EndpointsSet {
        /// Which.
        peer: PeerId,
        /// `host:port`.
        endpoints: Vec<String>,
    },
    /// Another key reports for it.
    OperatorSet {
        /// Which.
        peer: PeerId,
        /// The key.
        operator: Address,
    },
    /// Its attributes were stated anew.
    AttributesSet {
        /// Which.
        peer: PeerId,
    },
    /// It has more or fewer units.
    UnitsChanged {
        /// Which.
        peer: PeerId,
        /// How many now.
        units: u16,
    },
    /// It reported: its workers are kept until the lease ends.
    Reported {
        /// Which.
        peer: PeerId,
        /// End of the lease.
        until: Time,
    },
    /// It is gone.
    Removed {
        /// Which.
        peer: PeerId,
    },
}

/// What a peer's key signs to be registered.
#[must_use]
pub fn registration_message(chain_id: u64, provider: ProviderId, peer: PeerId) -> Vec<u8> {
    let mut message = b"marketplace+ peer registration 1\0".to_vec();
    message.extend_from_slice(&chain_id.to_be_bytes());
    message.extend_from_slice(&provider.0.to_be_bytes());
    message.extend_from_slice(&peer.0);
    message
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    match call {
        Call::Register(registration) => register(cx, registration),
        Call::SetEndpoints { peer, endpoints } => set_endpoints(cx, peer, endpoints),
        Call::SetOperator { peer, operator } => set_operator(cx, peer, operator),
        Call::SetAttributes { peer, attributes } => set_attributes(cx, peer, attributes),
        Call::AddUnits { peer, count } => add_units(cx, peer, count),
        Call::RemoveUnits { peer, count } => remove_units(cx, peer, count),
        Call::Remove { peer } => remove(cx, peer),
    }?;
    Ok(Reply::Done)
}

fn register<S: Store>(cx: &mut Cx<'_, S>, new: Registration) -> Result<(), Error> {
    let datacenter = datacenter::get(cx.store, new.datacenter)?;
    let datacenter = datacenter.ok_or(Refusal::Unknown(Object::Datacenter(new.datacenter)))?;
    let provider = datacenter.provider;
    provider::owned(cx, provider)?;
    check_endpoints(&new.endpoints)?;
    let (oldest, newest) = (new.oldest_version.into(), new.newest_version.into());
    within("newest protocol version", newest, oldest, u32::MAX.into())?;
    check_all(&new.attributes)?;
    within("units of a peer", new.units.into(), 0, MAX_UNITS.into())?;
    let taken = get(cx.store, new.peer)?.is_some();
    ensure(!taken, Refusal::PeerTaken(new.peer))?;
    let signed = signed(cx.params.chain_id, provider, new.peer, &new.signature);
    ensure(signed, Refusal::BadPeerSignature)?;

    let (id, operator, units) = (new.peer, new.operator, new.units);
    let peer = Peer {
        provider,
        datacenter: new.datacenter,
        operator,
        endpoints: new.endpoints,
        oldest_version: new.oldest_version,
        newest_version: new.newest_version,
        attributes: new.attributes,
        offer: None,
        deposit: cx.params.deposit(units.saturating_add(1)),
    };
    let datacenter = peer.datacenter;
    cx.emit(Event::Registered {
        peer: id,
        provider,
        datacenter,
        operator,
    });
    datacenter::count(cx.store, datacenter, true)?;
    PEERS.put(cx.store, &id, &peer)?;
    grow(cx, id, Units::default(), units)
}

/// Whether the peer's key signed its registration. (S3)
fn signed(chain_id: u64, provider: ProviderId, peer: PeerId, signature: &[u8; 64]) -> bool {
    let message = registration_message(chain_id, provider, peer);
    let signature = Signature::from_bytes(signature);
    let key = VerifyingKey::from_bytes(&peer.0);
    key.is_ok_and(|key| key.verify_strict(&message, &signature).is_ok())
}

fn check_endpoints(endpoints: &[String]) -> Result<(), Error> {
    long("endpoints", endpoints.len(), 0, MAX_ENDPOINTS)?;
    endpoints
        .iter()
        .try_for_each(|endpoint| check_endpoint(endpoint))
}

/// Refuses what is not `host:port`.
pub(crate) fn check_endpoint(endpoint: &str) -> Result<(), Error> {
    long("endpoint", endpoint.len(), 3, MAX_ENDPOINT)?;
    let parts = endpoint.rsplit_once(':');
    let good = parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    ensure(
        good,
        Refusal::Malformed {
            what: "endpoint: host:port",
        },
    )
}

fn set_endpoints<S: Store>(
    cx: &mut Cx<'_, S>,
    id: PeerId,
    endpoints: Vec<String>,
) -> Result<(), Error> {
    let mut peer = spoken_for(cx, id)?;
    check_endpoints(&endpoints)?;
    peer.endpoints.clone_from(&endpoints);
    PEERS.put(cx.store, &id, &peer)?;
    cx.emit(Event::EndpointsSet {
        peer: id,
        endpoints,
    });
    Ok(())
}

fn set_operator<S: Store>(cx: &mut Cx<'_, S>, id: PeerId, operator: Address) -> Result<(), Error> {
    let mut peer = owned(cx, id)?;
    peer.operator = operator;
    PEERS.put(cx.store, &id, &peer)?;
    cx.emit(Event::OperatorSet { peer: id, operator });
    Ok(())
}

fn set_attributes<S: Store>(
    cx: &mut Cx<'_, S>,
    id: PeerId,
    attributes: Vec<Attribute>,
) -> Result<(), Error> {
    let mut peer = owned(cx, id)?;
    check_all(&attributes)?;
    peer.attributes = attributes;
    PEERS.put(cx.store, &id, &peer)?;
    cx.emit(Event::AttributesSet { peer: id });
    queue::supply_changed(cx, id)
}

fn add_units<S: Store>(cx: &mut Cx<'_, S>, id: PeerId, count: u16) -> Result<(), Error> {
    let mut peer = owned(cx, id)?;
    let units = UNITS.must(cx.store, &id)?;
    unfrozen(cx, id, &units)?;
    let room = MAX_UNITS.saturating_sub(units.registered());
    within("units to add", count.into(), 1, room.into())?;
    let deposit = peer.deposit.checked_add(cx.params.deposit(count));
    peer.deposit = deposit.ok_or_else(|| fault("deposit beyond 128 bits"))?;
    PEERS.put(cx.store, &id, &peer)?;
    grow(cx, id, units, count)
}

/// Adds idle units after the last one.
fn grow<S: Store>(
    cx: &mut Cx<'_, S>,
    id: PeerId,
    mut units: Units,
    count: u16,
) -> Result<(), Error> {
    let more = std::iter::repeat_n(Whereabouts::Idle, count.into());
    units.0.extend(more);
    resized(cx, id, &units)
}

fn remove_units<S: Store>(cx: &mut Cx<'_, S>, id: PeerId, count: u16) -> Result<(), Error> {
    let mut peer = owned(cx, id)?;
    let mut units = UNITS.must(cx.store, &id)?;
    within(
        "units to remove",
        count.into(),
        1,
        units.registered().into(),
    )?;
    unfrozen(cx, id, &units)?;
    let idle = units.idle_at_the_end();
    ensure(idle >= count, Refusal::UnitsServing { asked: count, idle })?;
    let share = peer.share(count, units.registered());
    let left = peer.deposit.checked_sub(share);
    peer.deposit = left.ok_or_else(|| fault("a share beyond the deposit"))?;
    PEERS.put(cx.store, &id, &peer)?;
    units.0.truncate(units.0.len().saturating_sub(count.into()));
    resized(cx, id, &units)?;
    // Only the owner removes them.
    deposit::give_back(cx, cx.caller(), share)
}

/// Refuses to change how many units a peer has while they are committed. (H4)
fn unfrozen<S: Store>(cx: &mut Cx<'_, S>, id: PeerId, units: &Units) -> Result<(), Error> {
    let frozen = commitment::frozen(cx, id, units)?;
    ensure(!frozen, Refusal::PeerCommitted(id))
}

fn resized<S: Store>(cx: &mut Cx<'_, S>, id: PeerId, units: &Units) -> Result<(), Error> {
    UNITS.put(cx.store, &id, units)?;
    cx.emit(Event::UnitsChanged {
        peer: id,
        units: units.registered(),
    });
    queue::supply_changed(cx, id)
}

fn remove<S: Store>(cx: &mut Cx<'_, S>, id: PeerId) -> Result<(), Error> {
    let peer = owned(cx, id)?;
    let empty = UNITS.must(cx.store, &id)?.0.is_empty() && peer.offer.is_none();
    ensure(empty, Refusal::PeerNotEmpty(id))?;
    PEERS.delete(cx.store, &id)?;
    UNITS.delete(cx.store, &id)?;
    LEASES.delete(cx.store, &id)?;
    PLEDGES.delete(cx.store, &id)?;
    datacenter::count(cx.store, peer.datacenter, false)?;
    cx.emit(Event::Removed { peer: id });
    // Only the owner removes it.
    deposit::give_back(cx, cx.caller(), peer.deposit)
}

/// What a worker takes of a peer.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Indices of its units.
    pub(crate) units: Vec<u16>,
    /// The peer's units as they are then.
    pub(crate) left: Units,
    /// Whose delegators get a part of what it earns.
    pub(crate) delegated: Vec<Delegated>,
}

/// Gives the lowest units of a peer that may be matched to a worker. (S5, V8)
pub(crate) fn take_units<S: Store>(
    cx: &mut Cx<'_, S>,
    id: PeerId,
    count: u16,
    worker: WorkerId,
) -> Result<Taken, Error> {
    let mut left = UNITS.must(cx.store, &id)?;
    let pledge = PLEDGES.get(cx.store, &id)?;
    let mut units = left.matchable(pledge.as_ref());
    units.truncate(count.into());
    if units.len() < usize::from(count) {
        return Err(fault("too few units that may be matched"));
    }
    for index in &units {
        if let Some(unit) = left.0.get_mut(usize::from(*index)) {
            *unit = Whereabouts::Serving(worker);
        }
    }
    UNITS.put(cx.store, &id, &left)?;
    let active = pledge.filter(|pledge| pledge.active);
    let mut delegated = Vec::new();
    if let Some(pledge) = active
        && let Some(window) = cx.params.window_at(cx.now())
    {
        let mut now = CommitmentNow::load(cx, pledge.current)?;
        for index in &units {
            now.take(cx, *index, window)?;
        }
        delegated.push(now.delegate());
        now.save(cx)?;
    }
    Ok(Taken {
        units,
        left,
        delegated,
    })
}

/// Takes units back from a worker that is gone; `unready`: by its provider's fault; `slashed`: one that costs.
pub(crate) fn free_units<S: Store>(
    cx: &mut Cx<'_, S>,
    id: PeerId,
    indices: &[u16],
    unready: bool,
    slashed: bool,
) -> Result<(), Error> {
    let mut units = UNITS.must(cx.store, &id)?;
    let pledge = PLEDGES.get(cx.store, &id)?;
    let active = pledge.filter(|pledge| pledge.active);
    let mut back = Whereabouts::Idle;
    let mut expelled = Vec::new();
    if let Some(pledge) = active
        && let Some(window) = cx.params.window_at(cx.now())
    {
        let mut now = CommitmentNow::load(cx, pledge.current)?;
        if !now.is_over() {
            back = Whereabouts::Cooling(window.saturating_add(2));
        }
        for index in indices {
            if now.expelled(*index) {
                expelled.push(*index);
                continue;
            }
            now.give_back(*index, window, unready);
            if slashed {
                let ppm = now.params().fault_slash_ppm;
                now.slash(*index, ppm, Offence::Worker)?;
            }
        }
        now.save(cx)?;
        if unready {
            let mut pledge = PLEDGES.must(cx.store, &id)?;
            pledge.unready.retain(|unit| !indices.contains(unit));
            pledge.unready.extend(indices);
            PLEDGES.put(cx.store, &id, &pledge)?;
        }
    }
    for index in indices {
        let unit = units.0.get_mut(usize::from(*index));
        let unit = unit.ok_or_else(|| fault("a worker's unit is missing"))?;
        *unit = match expelled.contains(index) {
            true => Whereabouts::Exited,
            false => back,
        };
    }
    UNITS.put(cx.store, &id, &units)?;
    queue::supply_changed(cx, id)?;
    commitment::thaw(cx, id)
}

/// A fraud expels a unit; a worker that it serves is gone.
pub(crate) fn expel<S: Store>(cx: &mut Cx<'_, S>, id: PeerId, index: u16) -> Result<(), Error> {
    let mut units = UNITS.must(cx.store, &id)?;
    let Some(unit) = units.0.get_mut(usize::from(index)) else {
        return Ok(());
    };
    if let Whereabouts::Serving(worker) = *unit {
        return deal::expel(cx, worker);
    }
    *unit = Whereabouts::Exited;
    UNITS.put(cx.store, &id, &units)?;
    queue::supply_changed(cx, id)
}

fn known<S: Store>(store: &mut S, id: PeerId) -> Result<Peer, Error> {
    Ok(get(store, id)?.ok_or(Refusal::Unknown(Object::Peer(id)))?)
}

/// The peer, if the caller owns its provider.
pub(crate) fn owned<S: Store>(cx: &mut Cx<'_, S>, id: PeerId) -> Result<Peer, Error> {
    let peer = known(cx.store, id)?;
    provider::owned(cx, peer.provider)?;
    Ok(peer)
}

/// The peer, if the caller is its operator key.
pub(crate) fn operated<S: Store>(cx: &mut Cx<'_, S>, id: PeerId) -> Result<Peer, Error> {
    let peer = known(cx.store, id)?;
    cx.authenticate(peer.operator, Role::Operator)?;
    Ok(peer)
}

/// The peer, if the caller is its operator key or owns its provider.
pub(crate) fn spoken_for<S: Store>(cx: &mut Cx<'_, S>, id: PeerId) -> Result<Peer, Error> {
    let peer = known(cx.store, id)?;
    if cx.caller() != peer.operator {
        let owner = PROVIDERS.must(cx.store, &peer.provider)?.owner;
        cx.authenticate(owner, Role::ProviderOrOperator)?;
    }
    Ok(peer)
}

/// The peer with this key.
///
/// # Errors
/// Out of work.
pub fn get<S: Store>(store: &mut S, id: PeerId) -> Result<Option<Peer>, Error> {
    PEERS.get(store, &id)
}

/// Peers after `after`, by key; at most `limit` and never more than a page.
///
/// # Errors
/// Out of work.
pub fn list<S: Store>(
    store: &mut S,
    after: Option<PeerId>,
    limit: usize,
) -> Result<Vec<(PeerId, Peer)>, Error> {
    PEERS.page(store, &(), after.as_ref(), limit)
}

/// The peer's units; none if there is no such peer.
///
/// # Errors
/// Out of work.
pub fn units<S: Store>(store: &mut S, id: PeerId) -> Result<Units, Error> {
    Ok(UNITS.get(store, &id)?.unwrap_or_default())
}

/// The peer's lease; zero if it never reported.
///
/// # Errors
/// Out of work.
pub fn lease<S: Store>(store: &mut S, id: PeerId) -> Result<Lease, Error> {
    Ok(LEASES.get(store, &id)?.unwrap_or_default())
}
