//! One look at one demand: test candidates, choose, place workers.

use super::book::Book;
use super::candidate::{Candidate, Reason};
use super::choose::{Choice, Site};
use super::queue;
use crate::cx::Cx;
use crate::datacenter::DATACENTERS;
use crate::deal::{DealNow, Queued, Status};
use crate::limits::MAX_PAUSE_BLOCKS;
use crate::peer::{self, PEERS};
use crate::refusal::{Error, fault};
use crate::store::Store;
use crate::table::Table;
use crate::time;
use crate::units::{DealId, OfferId, PeerId, Price, ProviderId, Rate, Seconds, Usdc, WorkerId};
use crate::worker::{self, Stage, Worker};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// What the last look at a demand found.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The block of the look.
    pub block: u64,
    /// Workers it placed.
    pub placed: u16,
    /// Candidates that got no worker, by reason.
    pub reasons: Vec<(Reason, u32)>,
}

/// Last looks by deal.
pub const LOOKS: Table<DealId, Look> = Table::new(0x35, "looks");

/// Arcs of a flow network that count as much work as one candidate tested.
const ARCS_PER_CANDIDATE: u64 = 16;

/// A candidate that fits: all that is needed to place a worker there.
struct Fit {
    peer: PeerId,
    provider: ProviderId,
    offer: OfferId,
    site: Site,
    rate: Rate,
}

/// Candidates that fit, by rank, and those that do not, by reason.
#[derive(Default)]
struct Survey {
    fits: Vec<Fit>,
    reasons: BTreeMap<Reason, u32>,
    tested: u64,
}

impl Survey {
    fn count(&mut self, reason: Reason, number: usize) {
        let counted = self.reasons.entry(reason).or_default();
        *counted = counted.saturating_add(u32::try_from(number).unwrap_or(u32::MAX));
    }
}

/// Looks at a due demand and takes it out of the queue. Gives the work done, in candidates.
pub(super) fn look<S: Store>(
    cx: &mut Cx<'_, S>,
    book: &mut Book,
    id: DealId,
) -> Result<u64, Error> {
    let mut now = DealNow::load(cx, id)?;
    now.load_workers(cx)?;
    let existing: Vec<_> = existing(cx, &now)?.into_values().collect();
    let mut survey = survey(cx, book, &now)?;
    let mut arcs = 0;
    let chosen = choose(cx, &now, &existing, &survey, &mut arcs);
    survey.count(
        Reason::NotChosen,
        survey.fits.len().saturating_sub(chosen.len()),
    );
    let placed = u16::try_from(chosen.len()).unwrap_or(u16::MAX);
    count_replacements(cx, &mut now, placed);
    for place in chosen {
        if let Some(fit) = survey.fits.get(place) {
            assign(cx, book, &mut now, fit)?;
        }
    }
    let reasons = survey
        .reasons
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .collect();
    LOOKS.put(
        cx.store,
        &id,
        &Look {
            block: cx.clock.block,
            placed,
            reasons,
        },
    )?;
    sleep(cx, &mut now, placed)?;
    let workers = u64::try_from(now.workers.len()).unwrap_or(u64::MAX);
    now.save(cx)?;
    let workers = workers.saturating_mul(super::WORKER);
    let arcs = arcs.checked_div(ARCS_PER_CANDIDATE).unwrap_or(0);
    Ok(super::LOOK
        .saturating_add(workers)
        .saturating_add(survey.tested)
        .saturating_add(arcs))
}

/// Where the workers stand that the deal has.
pub(super) fn existing<S: Store>(
    cx: &mut Cx<'_, S>,
    now: &DealNow,
) -> Result<BTreeMap<WorkerId, Site>, Error> {
    let mut sites = BTreeMap::new();
    for (id, (worker, _)) in &now.workers {
        let datacenter = PEERS.must(cx.store, &worker.peer)?.datacenter;
        let site = Site {
            provider: worker.provider,
            datacenter,
            country: DATACENTERS.must(cx.store, &datacenter)?.country,
            offer: worker.offer,
            offer_cap: u32::MAX,
            ask: Price::ZERO,
        };
        sites.insert(*id, site);
    }
    Ok(sites)
}

/// Tests candidates from the cheapest on. A demand that more than `look_budget` fit is served from the cheapest
/// that many; no look tests more than the budget of a block.
fn survey<S: Store>(cx: &mut Cx<'_, S>, book: &Book, now: &DealNow) -> Result<Survey, Error> {
    let mut survey = Survey::default();
    let enough = usize::try_from(cx.params.look_budget).unwrap_or(usize::MAX);
    let (time, epoch) = (cx.now(), cx.epoch());
    for candidate in book.cheapest(now.terms.limit_price) {
        if survey.fits.len() >= enough || survey.tested >= cx.params.clearing_budget {
            break;
        }
        cx.store.step(1)?;
        survey.tested = survey.tested.saturating_add(1);
        let serves = now
            .workers
            .values()
            .any(|(worker, _)| worker.peer == candidate.id);
        match candidate.obstacle(&now.terms, &now.deal, serves, time, epoch) {
            Some(reason) => survey.count(reason, 1),
            None => survey.fits.push(fit(&candidate, now)?),
        }
    }
    survey.count(
        Reason::Price,
        usize::from(book.dearer(now.terms.limit_price)),
    );
    Ok(survey)
}

fn fit(candidate: &Candidate<'_>, now: &DealNow) -> Result<Fit, Error> {
    let units = u32::from(now.terms.units_per_worker);
    let most = candidate.offer.terms.max_units_per_deal;
    let rate = candidate.ask.of_units(now.terms.units_per_worker);
    let provider = candidate.offer.provider;
    Ok(Fit {
        peer: candidate.id,
        provider,
        offer: candidate.offer_id,
        rate: rate.ok_or_else(|| fault("rate beyond 128 bits"))?,
        site: Site {
            provider,
            datacenter: candidate.offer.datacenter,
            country: candidate.datacenter.country,
            offer: candidate.offer_id,
            offer_cap: most.map_or(u32::MAX, |most| most.checked_div(units).unwrap_or(0)),
            ask: candidate.ask,
        },
    })
}

/// Which of those that fit get a worker, if enough can. (C3, C4, C5)
fn choose<S: Store>(
    cx: &Cx<'_, S>,
    now: &DealNow,
    existing: &[Site],
    survey: &Survey,
    arcs: &mut u64,
) -> Vec<usize> {
    let sites: Vec<_> = survey.fits.iter().map(|fit| fit.site).collect();
    let choice = Choice {
        spread: now.terms.spread,
        existing,
        candidates: &sites,
    };
    let least = if now.deal.status == Status::Matching {
        now.terms.min_workers
    } else {
        1
    };
    let affordable = |chosen: &[usize]| affordable(cx, now, survey, chosen).unwrap_or(false);
    let most = wanted(cx, now);
    let chosen = choice.choose(least.into(), most.into(), affordable, arcs);
    chosen.unwrap_or_default()
}

/// Whether the escrow holds the cover with these workers. (M4)
fn affordable<S: Store>(
    cx: &Cx<'_, S>,
    now: &DealNow,
    survey: &Survey,
    chosen: &[usize],
) -> Result<bool, Error> {
    let mut rate = Rate::ZERO;
    for fit in chosen.iter().filter_map(|place| survey.fits.get(*place)) {
        rate = rate
            .checked_add(fit.rate)
            .ok_or_else(|| fault("rate beyond 128 bits"))?;
    }
    Ok(now.deal.uncharged()? >= now.deal.cover(&cx.params, rate)?)
}

/// Workers that the deal may get now: its open places, of those that a worker left only as many as may be
/// replaced in this epoch. A deal that has no worker needs its fewest at once, so one replacement that is left
/// allows them all. (M8)
fn wanted<S: Store>(cx: &Cx<'_, S>, now: &DealNow) -> u16 {
    let open = now.terms.target_workers.saturating_sub(now.deal.workers());
    let most = u16::try_from(cx.params.max_replacements_per_epoch).unwrap_or(u16::MAX);
    let replacements = most.saturating_sub(replaced(cx, now));
    let wanted = open.saturating_sub(now.deal.vacated.saturating_sub(replacements));
    if now.deal.status == Status::Matching && replacements > 0 {
        return wanted.max(now.terms.min_workers);
    }
    wanted
}

fn replaced<S: Store>(cx: &Cx<'_, S>, now: &DealNow) -> u16 {
    let (epoch, number) = now.deal.replaced;
    if epoch == cx.epoch() { number } else { 0 }
}

fn count_replacements<S: Store>(cx: &Cx<'_, S>, now: &mut DealNow, placed: u16) {
    let number = replaced(cx, now).saturating_add(placed.min(now.deal.vacated));
    now.deal.replaced = (cx.epoch(), number);
}

fn assign<S: Store>(
    cx: &mut Cx<'_, S>,
    book: &mut Book,
    now: &mut DealNow,
    fit: &Fit,
) -> Result<(), Error> {
    let id = WorkerId(time::next_id(cx.store, worker::COUNTER)?);
    let (units, idle) = peer::take_units(cx.store, fit.peer, now.terms.units_per_worker, id)?;
    book.set_idle(fit.peer, idle);
    let worker = Worker {
        deal: now.id,
        peer: fit.peer,
        provider: fit.provider,
        offer: fit.offer,
        units,
        rate: fit.rate,
        assigned: cx.now(),
        stage: Stage::Assigned {
            deadline: cx.now().after(Seconds(cx.params.start_timeout_seconds)),
        },
        artifact: now.terms.artifact.hash,
        paid: Usdc::ZERO,
    };
    now.assign(id, worker, cx.now())
}

/// Lets a demand that wants more sleep: longer after each look that placed nothing. (C2)
fn sleep<S: Store>(cx: &mut Cx<'_, S>, now: &mut DealNow, placed: u16) -> Result<(), Error> {
    if placed > 0 {
        now.deal.pause_blocks = 1;
    }
    let pause = now.deal.pause_blocks;
    now.deal.queued = Queued::Asleep(cx.clock.block.saturating_add(pause));
    if placed == 0 {
        now.deal.pause_blocks = pause.saturating_mul(2).min(MAX_PAUSE_BLOCKS);
    }
    now.deal.looked = queue::sweep(cx.store)?;
    Ok(())
}
