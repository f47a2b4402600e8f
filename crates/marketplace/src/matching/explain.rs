//! What clearing would do with a demand now, and what to change if it would do nothing. Reads only.
//!
//! Promises (`docs/spec/matching.md`):
//! - C9: an explanation names the workers that the next clearing would place if nothing else happened before, by the
//!   same look.
//! - C10: each change it names, made alone and paid for, lets the fewest workers be placed; the first is the nearest.

use super::book::Book;
use super::candidate::Reason;
use super::look::{self, Found, together};
use crate::attribute::{Predicate, Test, Value};
use crate::cx::Cx;
use crate::datacenter::Country;
use crate::deal::{Deal, DealNow, Status};
use crate::demand::Terms;
use crate::limits::MAX_SUPPLY;
use crate::refusal::Error;
use crate::store::Store;
use crate::units::{
    Address, DatacenterId, DealId, OfferId, PeerId, Price, ProviderId, Rate, Seconds, Usdc,
};
use std::collections::BTreeSet;

/// A worker that a demand would get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Where it would run.
    pub peer: PeerId,
    /// Who would earn.
    pub provider: ProviderId,
    /// The offer it would come from.
    pub offer: OfferId,
    /// Where the peer stands.
    pub datacenter: DatacenterId,
    /// In which country that is.
    pub country: Country,
    /// What the offer asks per unit and epoch.
    pub ask: Price,
}

/// A field of a demand, and what it would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A higher limit price.
    LimitPrice(Price),
    /// More escrow.
    Escrow(Usdc),
    /// Units of each worker.
    UnitsPerWorker(u16),
    /// Fewer workers that are needed at least.
    MinWorkers(u16),
    /// Another test of the requirement at this place; None: without it.
    Requirement(usize, Option<Test>),
    /// Without the effector at this place.
    Effector(usize),
    /// Another protocol version.
    ProtocolVersion(u32),
    /// Another duration.
    Duration(Seconds),
    /// A shorter hold.
    Hold(Seconds),
    /// More workers with one provider.
    MaxPerProvider(u16),
    /// More workers in one datacenter.
    MaxPerDatacenter(u16),
    /// More workers in one country.
    MaxPerCountry(u16),
    /// Fewer distinct providers.
    MinProviders(u16),
    /// Fewer distinct countries.
    MinCountries(u16),
}

/// One change that lets a demand be matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What to change.
    pub what: What,
    /// The least escrow with that.
    pub escrow: Usdc,
    /// How far it is from what was asked for, in millionths of that; a million: something is given up.
    pub distance_ppm: u64,
}

/// What clearing would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// Workers it would place.
    pub placed: Vec<Placement>,
    /// What they cost together per epoch.
    pub rate: Rate,
    /// Candidates without a worker, by reason.
    pub reasons: Vec<(Reason, u32)>,
    /// If it would place none where it could: changes that let it, the nearest first.
    pub changes: Vec<Change>,
}

/// Looks that one explanation takes at most; those for what is likelier to help come first.
const MAX_LOOKS: u32 = 64;
/// Values of one field that are tried one by one.
const MAX_TRIES: usize = 8;
/// Given up altogether.
const WHOLE: u64 = 1_000_000;

/// What clearing would do with a demand that is not posted.
///
/// # Errors
/// Refused as posting it would be, but for its escrow, which may be too small.
pub fn draft<S: Store>(
    cx: &mut Cx<'_, S>,
    book: &Book,
    owner: Address,
    terms: Terms,
    escrow: Usdc,
) -> Result<Explanation, Error> {
    terms.check(&cx.params)?;
    let deal = Deal::posted(owner, 0, cx.now(), &cx.params);
    let mut now = DealNow::new(cx, DealId::default(), deal, terms);
    now.deposit(escrow.min(MAX_SUPPLY))?;
    Search::of(cx, book, now).explain()
}

/// What clearing would do with a posted demand, if it were its turn. With a deal that is over or paused: nothing, for
/// no reason.
///
/// # Errors
/// `Unknown`, if there is no such demand.
pub fn posted<S: Store>(cx: &mut Cx<'_, S>, book: &Book, id: DealId) -> Result<Explanation, Error> {
    let mut now = DealNow::load(cx, id)?;
    now.load_workers(cx)?;
    Search::of(cx, book, now).explain()
}

/// The search for a change, from the demand as it is.
struct Search<'s, 'c, S> {
    cx: &'s Cx<'c, S>,
    book: &'s Book,
    now: DealNow,
    looks: u32,
    /// Work of clearing, in its units; a block's worth at most.
    work: u64,
    changes: Vec<Change>,
}

impl<'s, 'c, S: Store> Search<'s, 'c, S> {
    fn of(cx: &'s Cx<'c, S>, book: &'s Book, now: DealNow) -> Self {
        Self {
            cx,
            book,
            now,
            looks: 0,
            work: 0,
            changes: Vec::new(),
        }
    }

    fn explain(mut self) -> Result<Explanation, Error> {
        if self.now.deal.ended() || self.now.deal.paused() {
            return Ok(Explanation::default());
        }
        let Found {
            chosen, reasons, ..
        } = self.look()?;
        let reasons = reasons.list();
        if chosen.is_empty() && self.now.deal.staying() < self.now.terms.target_workers {
            self.search(&reasons)?;
        }
        self.changes.sort_by_key(|change| change.distance_ppm);
        Ok(Explanation {
            placed: chosen
                .iter()
                .map(|fit| Placement {
                    peer: fit.peer,
                    provider: fit.site.provider,
                    offer: fit.site.offer,
                    datacenter: fit.site.datacenter,
                    country: fit.site.country,
                    ask: fit.site.ask,
                })
                .collect(),
            rate: together(&chosen)?,
            reasons,
            changes: self.changes,
        })
    }

    fn look(&mut self) -> Result<Found, Error> {
        self.looks = self.looks.saturating_add(1);
        let found = look::find(self.cx, self.book, &self.now)?;
        self.work = self.work.saturating_add(found.work);
        Ok(found)
    }

    /// How many workers the demand would get if that were changed, with the escrow it then needs.
    fn with(&mut self, change: impl FnOnce(&mut Terms)) -> Result<usize, Error> {
        if self.looks >= MAX_LOOKS || self.work >= self.cx.params.clearing_budget {
            return Ok(0);
        }
        let (terms, free) = (self.now.terms.clone(), self.now.deal.free);
        change(&mut self.now.terms);
        let valid = self.now.terms.check(&self.cx.params).is_ok();
        let needed = self.least_escrow()?.exact(self.cx.params.epoch());
        self.now.deal.free = free.max(needed.unwrap_or(free));
        let found = match valid {
            true => self.look()?.chosen.len(),
            false => 0,
        };
        (self.now.terms, self.now.deal.free) = (terms, free);
        Ok(found)
    }

    fn least_escrow(&self) -> Result<Usdc, Error> {
        self.now.terms.least_escrow(&self.cx.params)
    }

    /// Notes a change that helps.
    fn note(
        &mut self,
        what: What,
        distance_ppm: u64,
        change: impl FnOnce(&mut Terms),
    ) -> Result<(), Error> {
        let terms = self.now.terms.clone();
        change(&mut self.now.terms);
        let escrow = self.least_escrow()?;
        self.now.terms = terms;
        self.changes.push(Change {
            what,
            escrow,
            distance_ppm,
        });
        Ok(())
    }

    /// Tries every field that can have kept somebody away.
    fn search(&mut self, reasons: &[(Reason, u32)]) -> Result<(), Error> {
        let kept = |wanted: &[Reason]| reasons.iter().any(|(reason, _)| wanted.contains(reason));
        if kept(&[Reason::NotChosen]) {
            self.escrow()?;
            self.min_workers()?;
            self.spread()?;
        }
        if kept(&[Reason::Price]) {
            self.limit_price()?;
        }
        if kept(&[Reason::Units]) {
            let units = self.now.terms.units_per_worker;
            let fewer: Vec<_> = (1..units).rev().collect();
            let set = |terms: &mut Terms, units: &u16| terms.units_per_worker = *units;
            self.nearest(
                &fewer,
                set,
                |units| What::UnitsPerWorker(*units),
                |value| (*value).into(),
                units.into(),
            )?;
        }
        if kept(&[Reason::Requirement, Reason::Undefined]) {
            self.requirements()?;
        }
        if kept(&[Reason::Effector]) {
            for place in 0..self.now.terms.effectors.len() {
                let drop = |terms: &mut Terms| _ = terms.effectors.remove(place);
                if self.with(drop)? > 0 {
                    self.note(What::Effector(place), WHOLE, drop)?;
                }
            }
        }
        if kept(&[Reason::Duration]) {
            self.duration()?;
        }
        if kept(&[Reason::Hold]) {
            self.hold()?;
        }
        if kept(&[Reason::Version]) {
            self.version()?;
        }
        Ok(())
    }

    /// Of values that help the more the further they are in the list, the first that helps; found by halving.
    fn nearest<V: Clone>(
        &mut self,
        values: &[V],
        set: impl Fn(&mut Terms, &V),
        what: impl Fn(&V) -> What,
        number: impl Fn(&V) -> u128,
        from: u128,
    ) -> Result<(), Error> {
        let helps = |search: &mut Self, value: &V| {
            let found = search.with(|terms| set(terms, value))?;
            Ok::<bool, Error>(found > 0)
        };
        let Some(last) = values.last() else {
            return Ok(());
        };
        if !helps(self, last)? {
            return Ok(());
        }
        let (mut low, mut high) = (0, values.len().saturating_sub(1));
        while low < high {
            let middle = low.midpoint(high);
            match values.get(middle) {
                Some(value) if helps(self, value)? => high = middle,
                _ => low = middle.saturating_add(1),
            }
        }
        // Only what was seen to help is said to: the number of looks is limited.
        let Some(value) = values.get(high) else {
            return Ok(());
        };
        let value = value.clone();
        let distance = distance(from, number(&value));
        self.note(what(&value), distance, |terms| set(terms, &value))
    }

    fn limit_price(&mut self) -> Result<(), Error> {
        let limit = self.now.terms.limit_price;
        let asks = self.book.standings().map(|((ask, _), _)| ask);
        let dearer: BTreeSet<_> = asks.filter(|ask| *ask > limit).collect();
        let set = |terms: &mut Terms, ask: &Price| terms.limit_price = *ask;
        let dearer: Vec<_> = dearer.into_iter().collect();
        self.nearest(
            &dearer,
            set,
            |ask| What::LimitPrice(*ask),
            |ask| ask.0,
            limit.0,
        )
    }

    /// The cover may be all that is missing.
    fn escrow(&mut self) -> Result<(), Error> {
        let (free, epoch) = (self.now.deal.free, self.cx.params.epoch());
        self.now.deal.free = MAX_SUPPLY.exact(epoch).unwrap_or(free);
        let limited = self.now.terms.target_workers;
        if self.now.deal.status == Status::Matching {
            self.now.terms.target_workers = self.now.terms.min_workers;
        }
        let found = self.look()?;
        self.now.terms.target_workers = limited;
        self.now.deal.free = free;
        if found.chosen.is_empty() {
            return Ok(());
        }
        let rate = together(&found.chosen)?;
        let cover = self
            .now
            .deal
            .cover(&self.now.params, &self.now.terms, rate)?;
        let missing = cover.checked_sub(self.now.deal.uncharged()?);
        let Some(missing) = missing else {
            return Ok(());
        };
        let whole = missing.ceil(epoch);
        let there = self.now.deal.uncharged()?.floor(epoch);
        let needed = there.checked_add(whole).unwrap_or(MAX_SUPPLY);
        let escrow = needed.max(self.least_escrow()?);
        self.changes.push(Change {
            what: What::Escrow(escrow),
            escrow,
            distance_ppm: distance(there.0, escrow.0),
        });
        Ok(())
    }

    fn min_workers(&mut self) -> Result<(), Error> {
        if self.now.deal.status != Status::Matching {
            return Ok(());
        }
        let (min, spread) = (self.now.terms.min_workers, self.now.terms.spread);
        let fewest = spread.min_providers.max(spread.min_countries).max(1);
        let fewer: Vec<_> = (fewest..min).rev().collect();
        let set = |terms: &mut Terms, min: &u16| terms.min_workers = *min;
        self.nearest(
            &fewer,
            set,
            |min| What::MinWorkers(*min),
            |min| (*min).into(),
            min.into(),
        )
    }

    fn spread(&mut self) -> Result<(), Error> {
        type Field = (fn(&mut Terms) -> &mut u16, fn(u16) -> What);
        let caps: [Field; 3] = [
            (
                |terms| &mut terms.spread.max_per_provider,
                What::MaxPerProvider,
            ),
            (
                |terms| &mut terms.spread.max_per_datacenter,
                What::MaxPerDatacenter,
            ),
            (
                |terms| &mut terms.spread.max_per_country,
                What::MaxPerCountry,
            ),
        ];
        let most = self.now.terms.target_workers;
        for (field, what) in caps {
            let from = *field(&mut self.now.terms);
            let more = match from {
                0 => Vec::new(),
                cap => (cap.saturating_add(1)..=most).collect(),
            };
            let set = |terms: &mut Terms, cap: &u16| *field(terms) = *cap;
            self.nearest(
                &more,
                set,
                |cap| what(*cap),
                |cap| (*cap).into(),
                from.into(),
            )?;
        }
        let minima: [Field; 2] = [
            (|terms| &mut terms.spread.min_providers, What::MinProviders),
            (|terms| &mut terms.spread.min_countries, What::MinCountries),
        ];
        for (field, what) in minima {
            let from = *field(&mut self.now.terms);
            let fewer: Vec<_> = (0..from).rev().collect();
            let set = |terms: &mut Terms, min: &u16| *field(terms) = *min;
            self.nearest(
                &fewer,
                set,
                |min| what(*min),
                |min| (*min).into(),
                from.into(),
            )?;
        }
        Ok(())
    }

    /// Each requirement: the nearest bound that helps where it has a bound, and without it.
    fn requirements(&mut self) -> Result<(), Error> {
        for place in 0..self.now.terms.requirements.len() {
            let drop = |terms: &mut Terms| _ = terms.requirements.remove(place);
            if self.with(drop)? == 0 {
                continue;
            }
            self.note(What::Requirement(place, None), WHOLE, drop)?;
            let wanted = self.now.terms.requirements.get(place).cloned();
            if let Some(wanted) = wanted {
                self.bound(place, &wanted)?;
            }
        }
        Ok(())
    }

    fn bound(&mut self, place: usize, wanted: &Predicate) -> Result<(), Error> {
        let from = match &wanted.test {
            Test::Below(bound)
            | Test::AtMost(bound)
            | Test::Above(bound)
            | Test::AtLeast(bound) => bound.clone(),
            _ => return Ok(()),
        };
        let looser = self.book.claims.looser(wanted);
        let set = |terms: &mut Terms, test: &Test| {
            if let Some(wanted) = terms.requirements.get_mut(place) {
                wanted.test = test.clone();
            }
        };
        let what = |test: &Test| What::Requirement(place, Some(test.clone()));
        let number = |test: &Test| match (test, &from) {
            (
                Test::AtLeast(Value::Integer(to)) | Test::AtMost(Value::Integer(to)),
                Value::Integer(from),
            ) => from.abs_diff(*to).into(),
            _ => 0,
        };
        let (zero, size) = match &from {
            Value::Integer(from) => (number(&wanted.test), from.unsigned_abs().into()),
            _ => (0, 1),
        };
        let before = self.changes.len();
        self.nearest(&looser, set, what, number, zero)?;
        // Measured against the bound, and never as far as giving it up.
        for change in self.changes.iter_mut().skip(before) {
            if let What::Requirement(_, Some(test)) = &change.what {
                let away = distance(size, size.saturating_add(number(test)));
                change.distance_ppm = away.min(WHOLE.saturating_sub(1));
            }
        }
        Ok(())
    }

    fn duration(&mut self) -> Result<(), Error> {
        let terms = self
            .book
            .standings()
            .map(|(_, standing)| &standing.offer.terms);
        let bounds = terms.flat_map(|terms| [Some(terms.min_duration), terms.max_duration]);
        let bounds: BTreeSet<_> = bounds.flatten().filter(|bound| bound.0 > 0).collect();
        let from = self.now.terms.duration;
        let (shorter, longer): (Vec<_>, Vec<_>) = bounds
            .into_iter()
            .partition(|bound| from.is_none_or(|from| *bound < from));
        let set = |terms: &mut Terms, duration: &Seconds| terms.duration = Some(*duration);
        let away = |duration: &Seconds| match from {
            Some(from) => distance(from.0.into(), duration.0.into()),
            None => WHOLE,
        };
        self.first(shorter.into_iter().rev(), set, |duration| {
            (What::Duration(*duration), away(duration))
        })?;
        self.first(longer.into_iter(), set, |duration| {
            (What::Duration(*duration), away(duration))
        })
    }

    fn hold(&mut self) -> Result<(), Error> {
        let from = self.now.terms.hold;
        let holds = self
            .book
            .standings()
            .map(|(_, standing)| standing.offer.terms.max_hold);
        let shorter: BTreeSet<_> = holds.filter(|hold| *hold < from).collect();
        let shorter = shorter.into_iter().collect::<Vec<_>>();
        let set = |terms: &mut Terms, hold: &Seconds| terms.hold = *hold;
        let what = |hold: &Seconds| (What::Hold(*hold), distance(from.0.into(), hold.0.into()));
        self.first(shorter.into_iter().rev(), set, what)
    }

    fn version(&mut self) -> Result<(), Error> {
        let versions: BTreeSet<_> = self.book.versions().collect();
        let set = |terms: &mut Terms, version: &u32| terms.protocol_version = *version;
        let what = |version: &u32| (What::ProtocolVersion(*version), WHOLE);
        self.first(versions.into_iter().rev(), set, what)
    }

    /// Of values without an order of help, the first that helps.
    fn first<V>(
        &mut self,
        values: impl Iterator<Item = V>,
        set: impl Fn(&mut Terms, &V),
        what: impl Fn(&V) -> (What, u64),
    ) -> Result<(), Error> {
        for value in values.take(MAX_TRIES) {
            if self.with(|terms| set(terms, &value))? > 0 {
                let (what, distance) = what(&value);
                return self.note(what, distance, |terms| set(terms, &value));
            }
        }
        Ok(())
    }
}

/// How far `to` is from `from`, in millionths of that.
fn distance(from: u128, to: u128) -> u64 {
    let away = from.abs_diff(to).saturating_mul(u128::from(WHOLE));
    let away = away.checked_div(from.max(1)).unwrap_or(0);
    u64::try_from(away).unwrap_or(u64::MAX)
}
