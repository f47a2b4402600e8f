//! One candidate of clearing, and what keeps it from serving a demand.

use crate::attribute::{Predicate, Subject, Value, find};
use crate::datacenter::Datacenter;
use crate::deal::Deal;
use crate::demand::Terms;
use crate::offer::{self, Offer};
use crate::peer::Peer;
use crate::provider::Provider;
use crate::units::{Epoch, OfferId, PeerId, Price, Time};
use borsh::{BorshDeserialize, BorshSerialize};

/// A peer in an offer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'b> {
    pub(super) id: PeerId,
    pub(super) peer: &'b Peer,
    pub(super) idle: u16,
    pub(super) offer_id: OfferId,
    pub(super) offer: &'b Offer,
    pub(super) ask: Price,
    pub(super) datacenter: &'b Datacenter,
    pub(super) provider: &'b Provider,
}

/// Why a candidate does not serve a demand: the first that applies, in this order.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Its ask is above the limit. Counted once for all that are, since they are not tested.
    Price,
    /// Its offer has expired.
    Expired,
    /// It has fewer idle units than a worker needs.
    Units,
    /// It serves this deal already.
    ServesAlready,
    /// A worker of this deal left it not long ago.
    Excluded,
    /// The demand does not take this provider.
    Provider,
    /// It does not speak the protocol version.
    Version,
    /// The offer does not take deals of this duration.
    Duration,
    /// The offer does not take a hold this long.
    Hold,
    /// An effector is not offered.
    Effector,
    /// A requirement does not hold.
    Requirement,
    /// A requirement is about an attribute that is not there.
    Undefined,
    /// It fits, and spread, the offer's units per deal, the fewest workers or the cover keep it out.
    NotChosen,
}

impl Candidate<'_> {
    /// What keeps it from serving the demand, whatever other workers the demand has; None: nothing. `serves`:
    /// whether it serves the demand already.
    pub(super) fn obstacle(
        &self,
        terms: &Terms,
        deal: &Deal,
        serves: bool,
        now: Time,
        epoch: Epoch,
    ) -> Option<Reason> {
        let excluded = |(peer, until): &(PeerId, Epoch)| *peer == self.id && *until > epoch;
        let versions = self.peer.oldest_version..=self.peer.newest_version;
        let first = |obstacles: &[(bool, Reason)]| {
            obstacles
                .iter()
                .find(|(stands, _)| *stands)
                .map(|(_, reason)| *reason)
        };
        first(&[
            (self.ask > terms.limit_price, Reason::Price),
            (
                self.offer
                    .terms
                    .valid_until
                    .is_some_and(|until| until < now),
                Reason::Expired,
            ),
            (self.idle < terms.units_per_worker, Reason::Units),
            (serves, Reason::ServesAlready),
            (deal.excluded.iter().any(excluded), Reason::Excluded),
            (
                !terms.providers.admit(self.offer.provider),
                Reason::Provider,
            ),
            (!versions.contains(&terms.protocol_version), Reason::Version),
            (
                !accepts_duration(&self.offer.terms, terms),
                Reason::Duration,
            ),
            (terms.hold > self.offer.terms.max_hold, Reason::Hold),
            (
                !terms.effectors.iter().all(|name| self.has_effector(name)),
                Reason::Effector,
            ),
        ])
        .or_else(|| {
            terms
                .requirements
                .iter()
                .find_map(|wanted| self.fails(wanted))
        })
    }

    fn has_effector(&self, name: &str) -> bool {
        let offered = |key: &str| key.strip_prefix("effector.") == Some(name);
        self.peer
            .attributes
            .iter()
            .any(|attribute| offered(&attribute.key))
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
        let place = self.datacenter;
        match (subject, key) {
            (Subject::Datacenter, "country") => Some(Value::Text(place.country.to_string())),
            (Subject::Datacenter, "city") => Some(Value::Text(place.city.clone())),
            (Subject::Datacenter, "certifications") => {
                Some(Value::Set(place.certifications.clone()))
            }
            (Subject::Provider, "name") => Some(Value::Text(self.provider.name.clone())),
            (Subject::Datacenter, key) => find(&place.attributes, key).cloned(),
            (Subject::Provider, key) => find(&self.provider.attributes, key).cloned(),
            (Subject::Offer, key) => find(&self.offer.terms.attributes, key).cloned(),
            (Subject::Peer, key) => find(&self.peer.attributes, key).cloned(),
        }
    }
}

/// Whether an offer takes deals of this duration; one without an end is longer than any. (S8)
fn accepts_duration(offer: &offer::Terms, terms: &Terms) -> bool {
    match (terms.duration, offer.max_duration) {
        (None, longest) => longest.is_none(),
        (Some(duration), longest) => {
            duration >= offer.min_duration && longest.is_none_or(|longest| duration <= longest)
        }
    }
}
