//! Candidates that fit a demand, from the cheapest on, and why the others do not.
//!
//! Requirements are answered for all peers at once, by the index; then candidates are passed in their order, and
//! only as far as is asked for.

use super::bits::{Bits, Slot};
use super::book::{Ask, Book, Entry, Standing};
use super::candidate::{Reason, Wish, effector};
use super::choose::Site;
use crate::attribute::Subject;
use crate::deal::DealNow;
use crate::peer::Peer;
use crate::refusal::{Error, fault};
use crate::units::{PeerId, Rate};
use std::collections::{BTreeMap, BTreeSet};

/// Candidates tested that count as one unit of clearing's work.
const TESTED: u64 = 64;

/// A candidate that fits: all that is needed to place a worker there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    pub(super) peer: PeerId,
    pub(super) site: Site,
    pub(super) rate: Rate,
}

/// How many candidates got no worker, by reason.
pub(super) type Reasons = BTreeMap<Reason, u32>;

/// One pass over the candidates.
pub(super) struct Survey<'b, 'd> {
    book: &'b Book,
    wish: Wish<'d>,
    needs: Needs,
    serving: BTreeSet<Slot>,
    excluded: BTreeSet<Slot>,
    standings: Box<dyn Iterator<Item = (Ask, &'b Standing)> + 'b>,
    current: Option<(Ask, &'b Standing, std::slice::Iter<'b, Slot>)>,
    /// By rank: cheapest, older offer, lower peer.
    pub(super) fits: Vec<Fit>,
    pub(super) reasons: Reasons,
    tested: u64,
    /// Most fits, and most candidates tested.
    most: (usize, u64),
}

/// What a demand requires of peers, answered for all of them.
struct Needs {
    /// For each requirement: who meets it, and why the others do not, where they have the attribute and where not.
    each: Vec<(Bits, Option<Bits>)>,
    effectors: usize,
    /// Who meets all; None: nothing is required.
    all: Option<Bits>,
}

impl Needs {
    fn of(book: &Book, wish: &Wish<'_>) -> Self {
        let claims = &book.claims;
        let mut each = Vec::new();
        for name in &wish.terms.effectors {
            let offered = claims.there(Subject::Peer, &effector(name));
            each.push((offered.cloned().unwrap_or_default(), None));
        }
        for wanted in &wish.terms.requirements {
            let there = claims.there(wanted.subject, &wanted.key);
            each.push((
                claims.meet(wanted),
                Some(there.cloned().unwrap_or_default()),
            ));
        }
        let all = each.iter().map(|(met, _)| met.clone());
        let all = all.reduce(|mut all, met| {
            all.intersect(&met);
            all
        });
        Self {
            each,
            effectors: wish.terms.effectors.len(),
            all,
        }
    }

    fn refuses(&self, slot: Slot) -> Option<Reason> {
        if self.all.as_ref().is_none_or(|all| all.contains(slot)) {
            return None;
        }
        let unmet = self.each.iter().position(|(met, _)| !met.contains(slot))?;
        let (_, there) = self.each.get(unmet)?;
        Some(match there {
            _ if unmet < self.effectors => Reason::Effector,
            Some(there) if there.contains(slot) => Reason::Requirement,
            _ => Reason::Undefined,
        })
    }
}

impl<'b, 'd> Survey<'b, 'd> {
    /// Begins a pass for a demand of which these peers serve already.
    pub(super) fn new<'p>(
        book: &'b Book,
        wish: Wish<'d>,
        serving: impl IntoIterator<Item = &'p PeerId>,
        most: (u64, u64),
    ) -> Self {
        let slots = |peers: &mut dyn Iterator<Item = &PeerId>| {
            peers.filter_map(|peer| book.slot_of(*peer)).collect()
        };
        let excluded = wish.deal.excluded.iter().map(|(peer, _)| peer);
        Self {
            book,
            wish,
            needs: Needs::of(book, &wish),
            serving: slots(&mut serving.into_iter()),
            excluded: slots(&mut excluded.filter(|peer| wish.excludes(**peer))),
            standings: Box::new(book.standings()),
            current: None,
            fits: Vec::new(),
            reasons: Reasons::new(),
            tested: 0,
            most: (
                usize::try_from(most.0).unwrap_or(usize::MAX),
                most.1.saturating_mul(TESTED),
            ),
        }
    }

    /// The next candidate that fits, and its rank; None after the last, or when it is enough. A demand that more
    /// fit is served from the cheapest that many.
    pub(super) fn next(&mut self) -> Result<Option<(usize, Site)>, Error> {
        while self.fits.len() < self.most.0 && self.tested < self.most.1 {
            let Some((ask, standing, slot)) = self.candidate() else {
                return Ok(None);
            };
            self.tested = self.tested.saturating_add(1);
            let entry = self.book.entry(slot);
            let Some((entry, peer)) = entry.and_then(|entry| Some((entry, entry.peer.as_ref()?)))
            else {
                return Err(fault("a peer of the index is missing"));
            };
            match self.refuses(slot, entry, peer) {
                Some(reason) => self.count(reason, 1),
                None => {
                    let fit = fit(ask, standing, entry.id, &self.wish)?;
                    self.fits.push(fit);
                    return Ok(Some((self.fits.len().saturating_sub(1), fit.site)));
                }
            }
        }
        Ok(None)
    }

    /// The next candidate of an offer that takes the demand.
    fn candidate(&mut self) -> Option<(Ask, &'b Standing, Slot)> {
        loop {
            if let Some((ask, standing, members)) = &mut self.current
                && let Some(slot) = members.next()
            {
                return Some((*ask, standing, *slot));
            }
            let (ask, standing) = self.standings.next()?;
            self.current = None;
            match self.wish.refuses_offer(ask.0, &standing.offer) {
                Some(reason) => {
                    self.tested = self.tested.saturating_add(1);
                    self.count(reason, standing.members.len());
                }
                None => self.current = Some((ask, standing, standing.members.iter())),
            }
        }
    }

    fn refuses(&self, slot: Slot, entry: &Entry, peer: &Peer) -> Option<Reason> {
        let (serves, excluded) = (self.serving.contains(&slot), self.excluded.contains(&slot));
        (serves.then_some(Reason::ServesAlready))
            .or_else(|| excluded.then_some(Reason::Excluded))
            .or_else(|| self.needs.refuses(slot))
            .or_else(|| self.wish.refuses_peer(entry, peer))
    }

    pub(super) fn count(&mut self, reason: Reason, number: usize) {
        let counted = self.reasons.entry(reason).or_default();
        *counted = counted.saturating_add(u32::try_from(number).unwrap_or(u32::MAX));
    }

    /// Work done so far, in units of clearing.
    pub(super) fn work(&self) -> u64 {
        let fits = u64::try_from(self.fits.len()).unwrap_or(u64::MAX);
        self.tested.div_ceil(TESTED).saturating_add(fits)
    }
}

fn fit(ask: Ask, standing: &Standing, peer: PeerId, wish: &Wish<'_>) -> Result<Fit, Error> {
    let (price, offer) = ask;
    let units = wish.terms.units_per_worker;
    let most = standing.offer.terms.max_units_per_deal;
    let cap = |most: u32| most.checked_div(units.into()).unwrap_or(0);
    Ok(Fit {
        peer,
        rate: price
            .of_units(units)
            .ok_or_else(|| fault("rate beyond 128 bits"))?,
        site: Site {
            provider: standing.offer.provider,
            datacenter: standing.offer.datacenter,
            country: standing.country,
            offer,
            offer_cap: most.map_or(u32::MAX, cap),
            ask: price,
        },
    })
}

/// Peers that serve a deal.
pub(super) fn serving(now: &DealNow) -> impl Iterator<Item = &PeerId> {
    now.workers.values().map(|(worker, _)| &worker.peer)
}
