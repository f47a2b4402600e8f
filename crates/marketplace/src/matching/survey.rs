//! Candidates that fit a demand, from the cheapest on, and why the others do not.
//!
//! Requirements are answered for all peers at once, by the index; then candidates are passed in their order, and
//! only as far as is asked for.

use super::bits::{Bits, Slot};
use super::book::{Ask, Book, Standing};
use super::candidate::{Reason, Wish, effector};
use super::choose::Site;
use crate::attribute::Subject;
use crate::deal::DealNow;
use crate::refusal::{Error, fault};
use crate::units::{PeerId, Rate, Seconds};

/// Candidates tested that count as one unit of clearing's work.
const TESTED: u64 = 64;

/// A candidate that fits: all that is needed to place a worker there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    pub(super) peer: PeerId,
    pub(super) site: Site,
    pub(super) rate: Rate,
    pub(super) notice: Seconds,
}

/// How many candidates got no worker, by reason.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reasons([u32; Reason::ALL.len()]);

impl Reasons {
    pub(super) fn add(&mut self, reason: Reason, number: usize) {
        let places = Reason::ALL.iter().zip(&mut self.0);
        for (_, counted) in places.filter(|(other, _)| **other == reason) {
            *counted = counted.saturating_add(u32::try_from(number).unwrap_or(u32::MAX));
        }
    }

    /// Those that kept somebody away.
    pub(super) fn list(&self) -> Vec<(Reason, u32)> {
        let all = Reason::ALL.into_iter().zip(self.0);
        all.filter(|(_, number)| *number > 0).collect()
    }
}

/// One pass over the candidates.
pub(super) struct Survey<'b, 'd> {
    book: &'b Book,
    wish: Wish<'d>,
    /// Offers that take the demand, and peers of theirs that have all that is required.
    standings: std::vec::IntoIter<(Ask, &'b Standing)>,
    open: Bits,
    current: Option<(Ask, &'b Standing, std::slice::Iter<'b, Slot>)>,
    /// By rank: cheapest, older offer, lower peer.
    pub(super) fits: Vec<Fit>,
    most_fits: usize,
    pub(super) reasons: Reasons,
    tested: u64,
}

impl<'b, 'd> Survey<'b, 'd> {
    /// Begins a pass for a demand of which these peers serve already. It ends when `most` fit, so that a demand that
    /// more fit is served from the cheapest that many, and tests no more than `budget` units of work allow.
    pub(super) fn new<'p>(
        book: &'b Book,
        wish: Wish<'d>,
        serving: impl IntoIterator<Item = &'p PeerId>,
        (most, budget): (u64, u64),
    ) -> Self {
        let mut survey = Self {
            book,
            wish,
            standings: Vec::new().into_iter(),
            open: Bits::default(),
            current: None,
            fits: Vec::new(),
            most_fits: usize::try_from(most).unwrap_or(usize::MAX),
            reasons: Reasons::default(),
            tested: 0,
        };
        survey.ask_offers(budget.saturating_mul(TESTED));
        for peer in serving {
            survey.pass_over(*peer, Reason::ServesAlready);
        }
        for (peer, _) in &wish.deal.excluded {
            if wish.excludes(*peer) {
                survey.pass_over(*peer, Reason::Excluded);
            }
        }
        survey.ask_peers();
        survey
    }

    fn ask_offers(&mut self, budget: u64) {
        let mut taking = Vec::new();
        for (ask, standing) in self.book.standings() {
            if self.tested >= budget {
                break;
            }
            self.tested = self.tested.saturating_add(1);
            let members = standing.members.len();
            let admitted = self.book.is_admitted(standing.offer.provider);
            let reason = self.wish.refuses_offer(ask.0, &standing.offer, admitted);
            if let Some(reason) = reason {
                self.reasons.add(reason, members);
                continue;
            }
            let members = u64::try_from(members).unwrap_or(u64::MAX);
            self.tested = self.tested.saturating_add(members);
            standing
                .members
                .iter()
                .for_each(|slot| self.open.insert(*slot));
            taking.push((ask, standing));
        }
        self.standings = taking.into_iter();
    }

    fn pass_over(&mut self, peer: PeerId, reason: Reason) {
        if let Some(slot) = self.book.slot_of(peer)
            && self.open.contains(slot)
        {
            self.open.remove(slot);
            self.reasons.add(reason, 1);
        }
    }

    /// Answers each requirement for all peers at once.
    fn ask_peers(&mut self) {
        let (claims, none) = (&self.book.claims, Bits::default());
        for name in &self.wish.terms.effectors {
            let offered = claims.there(Subject::Peer, &effector(name));
            let (_, lacking) = self.open.retain(offered.unwrap_or(&none), &none);
            self.reasons.add(Reason::Effector, lacking);
        }
        for wanted in &self.wish.terms.requirements {
            if self.open.is_empty() {
                break;
            }
            let there = claims.there(wanted.subject, &wanted.key);
            let met = claims.meet(wanted);
            let (failing, lacking) = self.open.retain(&met, there.unwrap_or(&none));
            self.reasons.add(Reason::Requirement, failing);
            self.reasons.add(Reason::Undefined, lacking);
        }
    }

    /// The next candidate that fits, and its rank; None after the last, or when it is enough.
    pub(super) fn next(&mut self) -> Result<Option<(usize, Site)>, Error> {
        while self.fits.len() < self.most_fits
            && let Some((ask, standing, slot)) = self.candidate()
        {
            let entry = self.book.entry(slot);
            let peer = entry.and_then(|entry| Some((entry, entry.peer.as_ref()?)));
            let (entry, peer) = peer.ok_or_else(|| fault("a peer of the index is missing"))?;
            let notice = standing.offer.terms.notice;
            match self.wish.refuses_peer(entry, peer, ask.0, notice) {
                Some(reason) => self.reasons.add(reason, 1),
                None => {
                    let fit = fit(ask, standing, entry.id, &self.wish)?;
                    self.fits.push(fit);
                    return Ok(Some((self.fits.len().saturating_sub(1), fit.site)));
                }
            }
        }
        Ok(None)
    }

    /// The next peer that has all that is required.
    fn candidate(&mut self) -> Option<(Ask, &'b Standing, Slot)> {
        if self.open.is_empty() {
            return None;
        }
        loop {
            if let Some((ask, standing, members)) = &mut self.current
                && let Some(slot) = members.find(|slot| self.open.contains(**slot))
            {
                return Some((*ask, standing, *slot));
            }
            let (ask, standing) = self.standings.next()?;
            self.current = Some((ask, standing, standing.members.iter()));
        }
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
        notice: standing.offer.terms.notice,
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
