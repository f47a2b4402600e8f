//! What keeps a candidate (a peer in an offer) from serving a demand.

use super::book::Entry;
use super::claims::{of_datacenter, of_provider};
use crate::attribute::{Predicate, Subject, Value, find};
use crate::cx::Cx;
use crate::datacenter::Datacenter;
use crate::deal::Deal;
use crate::demand::Terms;
use crate::offer::Offer;
use crate::peer::Peer;
use crate::provider::Provider;
use crate::store::Store;
use crate::units::{Epoch, PeerId, Price, Seconds, Time};
use borsh::{BorshDeserialize, BorshSerialize};

/// Why a candidate does not serve a demand: the first that applies, in this order.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Its ask is above the limit.
    Price,
    /// Its provider is not on the list of those admitted.
    NotAdmitted,
    /// Its offer has expired.
    Expired,
    /// The offer does not take deals of this duration.
    Duration,
    /// The offer does not take a hold this long.
    Hold,
    /// The offer does not serve this developer.
    Developer,
    /// The demand does not take this provider.
    Provider,
    /// It serves this deal already.
    ServesAlready,
    /// A worker of this deal left it not long ago.
    Excluded,
    /// An effector is not offered.
    Effector,
    /// A requirement does not hold.
    Requirement,
    /// A requirement is about an attribute that is not there.
    Undefined,
    /// It does not speak the protocol version.
    Version,
    /// Its peer has no active commitment, or one that ends before the worker may.
    Uncommitted,
    /// Its ask is below the lowest that its peer's commitment allows.
    BelowLowest,
    /// Fewer of its units may be matched than a worker needs.
    Units,
    /// It fits, and spread, the offer's units per deal, the fewest workers or the cover keep it out.
    NotChosen,
}

impl Reason {
    /// All of them, in their order.
    pub(super) const ALL: [Self; 17] = [
        Self::Price,
        Self::NotAdmitted,
        Self::Expired,
        Self::Duration,
        Self::Hold,
        Self::Developer,
        Self::Provider,
        Self::ServesAlready,
        Self::Excluded,
        Self::Effector,
        Self::Requirement,
        Self::Undefined,
        Self::Version,
        Self::Uncommitted,
        Self::BelowLowest,
        Self::Units,
        Self::NotChosen,
    ];
}

/// A demand, as candidates see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'d> {
    pub(super) terms: &'d Terms,
    pub(super) deal: &'d Deal,
    pub(super) now: Time,
    pub(super) epoch: Epoch,
    /// Whether only providers that governance admitted may serve it.
    pub(super) listed: bool,
    /// Whether only units of peers with an active commitment may serve it, and until when that must hold.
    pub(super) committed: bool,
    pub(super) until: Time,
}

impl<'d> Wish<'d> {
    /// The demand as of this block.
    pub(super) fn of<S: Store>(cx: &Cx<'_, S>, terms: &'d Terms, deal: &'d Deal) -> Self {
        Self {
            terms,
            deal,
            now: cx.now(),
            epoch: cx.epoch(),
            listed: cx.params.provider_list != 0,
            committed: cx.params.commitments_required != 0,
            until: until(cx, terms, deal),
        }
    }

    /// What keeps all peers of an offer away, whatever they are. `admitted`: whether its provider is.
    pub(super) fn refuses_offer(
        &self,
        ask: Price,
        offer: &Offer,
        admitted: bool,
    ) -> Option<Reason> {
        let (terms, offered) = (self.terms, &offer.terms);
        let duration = match (terms.duration, offered.max_duration) {
            (None, longest) => longest.is_none(),
            (Some(wanted), longest) => {
                wanted >= offered.min_duration && longest.is_none_or(|longest| wanted <= longest)
            }
        };
        first(&[
            (ask > terms.limit_price, Reason::Price),
            (self.listed && !admitted, Reason::NotAdmitted),
            (
                offered.valid_until.is_some_and(|until| until < self.now),
                Reason::Expired,
            ),
            (!duration, Reason::Duration),
            (terms.hold > offered.max_hold, Reason::Hold),
            (!offered.serves(self.deal.owner), Reason::Developer),
            (!terms.providers.admit(offer.provider), Reason::Provider),
        ])
    }

    /// Whether a worker of this deal left the peer not long ago.
    pub(super) fn excludes(&self, id: PeerId) -> bool {
        let mut excluded = self.deal.excluded.iter();
        excluded.any(|(peer, until)| *peer == id && *until > self.epoch)
    }

    /// What keeps a peer away that has all that is required.
    pub(super) fn refuses_peer(
        &self,
        entry: &Entry,
        peer: &Peer,
        ask: Price,
        notice: Seconds,
    ) -> Option<Reason> {
        let versions = peer.oldest_version..=peer.newest_version;
        let (committed, lowest) = match &entry.pledge {
            Some(pledge) if pledge.active => {
                // A deal without an end gets notice before the commitment ends.
                let leaves = self.terms.duration.is_none();
                let at_once = leaves && pledge.ends.before(notice) <= self.now;
                (pledge.ends >= self.until && !at_once, pledge.min_ask)
            }
            _ => (!self.committed, Price::ZERO),
        };
        first(&[
            (
                !versions.contains(&self.terms.protocol_version),
                Reason::Version,
            ),
            (!committed, Reason::Uncommitted),
            (ask < lowest, Reason::BelowLowest),
            (entry.open < self.terms.units_per_worker, Reason::Units),
        ])
    }
}

/// Until when a worker that is placed now may run: to the end of its deal, or for some epochs if that has none.
fn until<S: Store>(cx: &Cx<'_, S>, terms: &Terms, deal: &Deal) -> Time {
    let Some(duration) = terms.duration else {
        let epochs = cx.params.open_commitment_epochs;
        let span = epochs.saturating_mul(cx.params.epoch_seconds);
        return cx.now().after(Seconds(span));
    };
    let start = Seconds(cx.params.start_timeout_seconds);
    match deal.began {
        Some(_) => deal.ends,
        None => cx.now().after(start).after(duration),
    }
}

fn first(obstacles: &[(bool, Reason)]) -> Option<Reason> {
    let stands = obstacles.iter().find(|(stands, _)| *stands);
    stands.map(|(_, reason)| *reason)
}

/// Name of the attribute by which a peer offers an effector.
pub(super) fn effector(name: &str) -> String {
    format!("effector.{name}")
}

/// A peer in an offer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'b> {
    pub(super) entry: &'b Entry,
    pub(super) peer: &'b Peer,
    pub(super) ask: Price,
    pub(super) offer: &'b Offer,
    pub(super) datacenter: &'b Datacenter,
    pub(super) provider: &'b Provider,
}

impl Candidate<'_> {
    /// What keeps it from serving a demand that it does not serve already, whatever other workers that has. The
    /// same as a survey finds for all at once.
    pub(super) fn obstacle(&self, wish: &Wish<'_>) -> Option<Reason> {
        let terms = wish.terms;
        let offered = |name: &String| find(&self.peer.attributes, &effector(name)).is_some();
        let excluded = wish.excludes(self.entry.id).then_some(Reason::Excluded);
        wish.refuses_offer(self.ask, self.offer, self.provider.admitted)
            .or(excluded)
            .or_else(|| {
                let lacks = !terms.effectors.iter().all(offered);
                lacks.then_some(Reason::Effector)
            })
            .or_else(|| {
                terms
                    .requirements
                    .iter()
                    .find_map(|wanted| self.fails(wanted))
            })
            .or_else(|| {
                let notice = self.offer.terms.notice;
                wish.refuses_peer(self.entry, self.peer, self.ask, notice)
            })
    }

    fn fails(&self, wanted: &Predicate) -> Option<Reason> {
        match self.value(wanted.subject, &wanted.key) {
            None => Some(Reason::Undefined),
            Some(value) if wanted.test.holds(&value) => None,
            Some(_) => Some(Reason::Requirement),
        }
    }

    /// The value that a requirement is about.
    fn value(&self, subject: Subject, key: &str) -> Option<Value> {
        let claims = match subject {
            Subject::Datacenter => of_datacenter(self.datacenter),
            Subject::Provider => of_provider(self.provider),
            Subject::Offer => return find(&self.offer.terms.attributes, key).cloned(),
            Subject::Peer => return find(&self.peer.attributes, key).cloned(),
        };
        let mut claims = claims.into_iter();
        let found = claims.find(|(other, _)| other == key);
        found.map(|(_, value)| value.into_owned())
    }
}
