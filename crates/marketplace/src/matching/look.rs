//! One look at one demand: test candidates, choose, place workers.

use super::book::Book;
use super::candidate::{Reason, Wish};
use super::choose::{Census, Choice, Site};
use super::queue;
use super::survey::{Fit, Reasons, Survey, serving};
use crate::cx::Cx;
use crate::deal::{DealNow, Queued, Status};
use crate::limits::MAX_PAUSE_BLOCKS;
use crate::peer;
use crate::record::Counted;
use crate::refusal::{Error, fault};
use crate::store::Store;
use crate::table::Table;
use crate::time;
use crate::units::{DealId, Price, Rate, Seconds, Usdc, WorkerId};
use crate::worker::{self, Stage, Worker};
use borsh::{BorshDeserialize, BorshSerialize};

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

/// Arcs of a flow network that count as one unit of clearing's work.
const ARCS: u64 = 16;

/// Looks at a due demand and takes it out of the queue. Gives the work done.
pub(super) fn look<S: Store>(
    cx: &mut Cx<'_, S>,
    book: &mut Book,
    id: DealId,
) -> Result<u64, Error> {
    let mut now = DealNow::load(cx, id)?;
    now.load_workers(cx)?;
    book.claims.prepare(&now.terms.requirements);
    let Found {
        chosen,
        reasons,
        work,
    } = find(cx, book, &now)?;
    cx.store.step(work)?;
    let placed = u16::try_from(chosen.len()).unwrap_or(u16::MAX);
    count_replacements(cx, &mut now, placed);
    assign(cx, book, &mut now, &chosen)?;
    let look = Look {
        block: cx.clock.block,
        placed,
        reasons: reasons.list(),
    };
    LOOKS.put(cx.store, &id, &look)?;
    sleep(cx, &mut now, placed)?;
    let workers = u64::try_from(now.workers.len()).unwrap_or(u64::MAX);
    now.save(cx)?;
    let workers = workers.saturating_mul(super::WORKER);
    Ok(super::LOOK.saturating_add(workers).saturating_add(work))
}

/// What a look finds.
pub(super) struct Found {
    pub(super) chosen: Vec<Fit>,
    pub(super) reasons: Reasons,
    pub(super) work: u64,
}

/// Which candidates get a worker, if enough can: as many as can be, up to the target, and of those sets the
/// cheapest; and why the others do not. Writes nothing. (C3, C4, C5)
pub(super) fn find<S: Store>(cx: &Cx<'_, S>, book: &Book, now: &DealNow) -> Result<Found, Error> {
    let wish = Wish::of(cx, &now.terms, &now.deal);
    let most = (cx.params.look_budget, cx.params.clearing_budget);
    let mut survey = Survey::new(book, wish, serving(now), most);
    let existing = existing(book, now)?;
    let mut arcs = 0;
    let chosen = choose(cx, now, &existing, &mut survey, &mut arcs)?;
    let left = survey.fits.len().saturating_sub(chosen.len());
    survey.reasons.add(Reason::NotChosen, left);
    let chosen = chosen.iter().filter_map(|rank| survey.fits.get(*rank));
    Ok(Found {
        chosen: chosen.copied().collect(),
        work: survey
            .work()
            .saturating_add(arcs.checked_div(ARCS).unwrap_or(0)),
        reasons: survey.reasons,
    })
}

/// Where the workers stand that the deal keeps: those under notice take nobody's place.
fn existing(book: &Book, now: &DealNow) -> Result<Vec<Site>, Error> {
    let workers = now.workers.values().map(|(worker, _)| worker);
    let staying = workers.filter(|worker| !worker.stage.is_draining());
    let sites = staying.map(|worker| {
        let (datacenter, country) = book.place(worker.peer)?;
        Some(Site {
            provider: worker.provider,
            datacenter,
            country,
            offer: worker.offer,
            offer_cap: u32::MAX,
            ask: Price::ZERO,
        })
    });
    let sites: Option<Vec<_>> = sites.collect();
    sites.ok_or_else(|| fault("a peer that serves is not in the index"))
}

/// The ranks of those that get a worker. Taking candidates from the cheapest on under the nested caps needs no more
/// of them than it takes; only if those it took do not do, all are needed.
fn choose<S: Store>(
    cx: &Cx<'_, S>,
    now: &DealNow,
    existing: &[Site],
    survey: &mut Survey<'_, '_>,
    arcs: &mut u64,
) -> Result<Vec<usize>, Error> {
    let least = match now.deal.status {
        Status::Matching => usize::from(now.terms.min_workers),
        _ => 1,
    };
    let most = usize::from(wanted(cx, now));
    if most < least {
        while survey.next()?.is_some() {}
        return Ok(Vec::new());
    }
    let (spread, mut greedy) = (now.terms.spread, Vec::new());
    let mut census = Census::of(existing);
    while greedy.len() < most
        && let Some((rank, site)) = survey.next()?
    {
        if census.has_room(spread, &site) {
            census.add(&site);
            greedy.push(rank);
        }
    }
    let affordable = |survey: &Survey<'_, '_>, chosen: &[usize]| {
        affordable(now, &survey.fits, chosen).unwrap_or(false)
    };
    if greedy.len() == most && census.meets_the_rest(spread) && affordable(survey, &greedy) {
        return Ok(greedy);
    }
    while survey.next()?.is_some() {}
    let sites: Vec<_> = survey.fits.iter().map(|fit| fit.site).collect();
    let choice = Choice {
        spread,
        existing,
        candidates: &sites,
    };
    let chosen = choice.choose(least, most, |chosen| affordable(survey, chosen), arcs);
    Ok(chosen.unwrap_or_default())
}

/// Whether the escrow holds the cover with these workers. (M4)
fn affordable(now: &DealNow, fits: &[Fit], chosen: &[usize]) -> Result<bool, Error> {
    let rate = together(chosen.iter().filter_map(|rank| fits.get(*rank)))?;
    Ok(now.deal.uncharged()? >= now.deal.cover(&now.params, &now.terms, rate)?)
}

/// What these workers cost together per epoch.
pub(super) fn together<'f>(fits: impl IntoIterator<Item = &'f Fit>) -> Result<Rate, Error> {
    let mut fits = fits.into_iter();
    let rate = fits.try_fold(Rate::ZERO, |sum, fit| sum.checked_add(fit.rate));
    rate.ok_or_else(|| fault("rate beyond 128 bits"))
}

/// Workers that the deal may get now: its open places, of those that a worker left only as many as may be
/// replaced in this epoch. A deal that has no worker needs its fewest at once, so one replacement that is left
/// allows them all. (M8)
fn wanted<S: Store>(cx: &Cx<'_, S>, now: &DealNow) -> u16 {
    let open = now.terms.target_workers.saturating_sub(now.deal.staying());
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
    chosen: &[Fit],
) -> Result<(), Error> {
    let count = u64::try_from(chosen.len()).unwrap_or(u64::MAX);
    let ids = time::next_ids(cx.store, worker::COUNTER, count)?;
    let deadline = cx.now().after(Seconds(now.params.start_timeout_seconds));
    for (fit, id) in chosen.iter().zip(ids.map(WorkerId)) {
        let taken = peer::take_units(cx, fit.peer, now.terms.units_per_worker, id)?;
        book.set_units(fit.peer, &taken.left);
        let worker = Worker {
            deal: now.id,
            peer: fit.peer,
            provider: fit.site.provider,
            offer: fit.site.offer,
            units: taken.units,
            rate: fit.rate,
            assigned: cx.now(),
            notice: fit.notice,
            stage: Stage::Assigned { deadline },
            artifact: now.terms.artifact.hash,
            counted: Counted::default(),
            paid: Usdc::ZERO,
            delegated: taken.delegated,
        };
        now.bind(cx, id, &worker)?;
        now.assign(id, worker, cx.now())?;
    }
    Ok(())
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
