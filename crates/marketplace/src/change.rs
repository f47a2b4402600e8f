//! Change orders: what the owner of a deal may change of it while it stands.
//!
//! What was agreed with the workers there are stays: their price, their terms, their place. A change binds the workers
//! to come; only a lower target and a shorter duration end any. The same change twice does what once does.
//!
//! Promises (`docs/spec/demand.md`): D8 to D14, named where they are kept.

use crate::attribute::Predicate;
use crate::call::Reply;
use crate::cx::Cx;
use crate::deal::{Blame, DealNow, EndReason, Pay, Rollout, refuse_ended};
use crate::demand::{self, Artifact, Providers, Spread, Terms};
use crate::matching;
use crate::refusal::{Error, Refusal, Role, ensure, within};
use crate::store::Store;
use crate::units::{Address, DealId, Hash, Price, Seconds, WorkerId};
use crate::worker::GoneReason;

/// What is to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// What workers run: those there are change to it one at a time. The same again lets a rollout that stopped go on.
    Artifact(Artifact),
    /// As many workers as wanted, not fewer than the least. Fewer end the dearest at once, then the youngest.
    Target(u16),
    /// Highest price of workers to come.
    LimitPrice(Price),
    /// What must hold for the peers of workers to come.
    Requirements {
        /// At most 16; all must hold.
        requirements: Vec<Predicate>,
        /// Host capabilities that functions need, at most 16.
        effectors: Vec<String>,
        /// Version that the peer must speak.
        protocol_version: u32,
    },
    /// How far workers to come must lie apart from the others.
    Spread(Spread),
    /// From the first worker running; None: while funded. A deal for which it is over ends.
    Duration(Option<Seconds>),
    /// Which providers may serve with workers to come.
    Providers(Providers),
    /// An account that may evict workers and nothing else.
    Monitor(Option<Address>),
}

/// Calls that change a deal. All but the last are the owner's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Changes its terms.
    Terms {
        /// Which.
        deal: DealId,
        /// How.
        change: Change,
    },
    /// Offers it to another account, or to none any more.
    Offer {
        /// Which.
        deal: DealId,
        /// To whom.
        to: Option<Address>,
    },
    /// The account that it is offered to becomes its owner.
    Accept {
        /// Which.
        deal: DealId,
    },
}

/// The kind of a [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What workers run.
    Artifact,
    /// As many workers as wanted.
    Target,
    /// Highest price.
    LimitPrice,
    /// Requirements, effectors or protocol version.
    Requirements,
    /// How far workers must lie apart.
    Spread,
    /// How long it lasts.
    Duration,
    /// Which providers may serve.
    Providers,
    /// Who may evict.
    Monitor,
}

/// What happens to deals by change orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its terms are others.
    TermsChanged {
        /// Which.
        deal: DealId,
        /// Which of them.
        kind: Kind,
    },
    /// It changes to another artifact.
    RolloutChanged {
        /// Which.
        deal: DealId,
        /// How many artifacts it had.
        version: u32,
        /// How far its workers are.
        rollout: Rollout,
    },
    /// A running worker runs another artifact.
    Switched {
        /// Of which deal.
        deal: DealId,
        /// Which.
        worker: WorkerId,
        /// What it runs now.
        artifact: Hash,
    },
    /// It is offered to another account, or to none any more.
    Offered {
        /// Which.
        deal: DealId,
        /// To whom.
        to: Option<Address>,
    },
    /// It has another owner.
    OwnerChanged {
        /// Which.
        deal: DealId,
        /// Who.
        owner: Address,
    },
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    match call {
        Call::Terms { deal, change } => terms(cx, deal, change),
        Call::Offer { deal, to } => offer(cx, deal, to),
        Call::Accept { deal } => accept(cx, deal),
    }?;
    Ok(Reply::Done)
}

/// A deal that is not over, if the caller owns it.
fn owned<S: Store>(cx: &mut Cx<'_, S>, id: DealId) -> Result<DealNow, Error> {
    let now = DealNow::load(cx, id)?;
    cx.authenticate(now.deal.owner, Role::DealOwner)?;
    refuse_ended(&now)?;
    Ok(now)
}

fn terms<S: Store>(cx: &mut Cx<'_, S>, deal: DealId, change: Change) -> Result<(), Error> {
    let mut now = owned(cx, deal)?;
    let kind = change.kind();
    let mut terms = now.terms.clone();
    change.write(&mut terms);
    check(cx, &terms, kind)?;
    let stopped = matches!(now.deal.rollout, Rollout::Stopped { .. });
    let goes_on = kind == Kind::Artifact && stopped;
    if terms == now.terms && !goes_on {
        return Ok(());
    }
    let before = now.change_terms(terms);
    if asks_for_more(kind, &before, &now.terms) {
        now.require_floor()?;
    }
    if widens(kind, &before, &now.terms) {
        now.deal.place = demand::next_place(cx.store)?;
    }
    if !matches!(kind, Kind::Artifact | Kind::Monitor) {
        now.wake();
    }
    now.emit(Event::TermsChanged { deal, kind });
    match kind {
        Kind::Artifact => now.roll_out(cx, before.artifact)?,
        Kind::Target => shrink(cx, &mut now)?,
        Kind::Duration => last(cx, &mut now)?,
        _ => {}
    }
    now.save(cx)
}

/// Refuses terms of which the part that was changed is beyond its limits.
fn check<S: Store>(cx: &Cx<'_, S>, terms: &Terms, kind: Kind) -> Result<(), Error> {
    match kind {
        Kind::Artifact => terms.artifact.check(),
        Kind::Target => {
            let least = terms.min_workers.into();
            let most = cx.params.max_target_workers.into();
            within("target workers", terms.target_workers.into(), least, most)
        }
        Kind::LimitPrice => terms.check_price(),
        Kind::Requirements => terms.check_requirements(),
        Kind::Spread => terms.check_spread(),
        Kind::Duration => terms.check_duration(),
        Kind::Providers => terms.providers.check(),
        Kind::Monitor => Ok(()),
    }
}

/// Whether the change may cost more, so that the escrow must hold the floor of the new terms. (D9)
fn asks_for_more(kind: Kind, before: &Terms, after: &Terms) -> bool {
    match kind {
        Kind::Target => after.target_workers > before.target_workers,
        Kind::LimitPrice => after.limit_price > before.limit_price,
        _ => false,
    }
}

/// Whether more supply fits than before, so that the demand goes behind those that wait already. (D8)
fn widens(kind: Kind, before: &Terms, after: &Terms) -> bool {
    match kind {
        Kind::Target | Kind::LimitPrice => asks_for_more(kind, before, after),
        Kind::Requirements => {
            all_in(&after.requirements, &before.requirements)
                && all_in(&after.effectors, &before.effectors)
                && after.protocol_version == before.protocol_version
        }
        Kind::Spread => is_looser(after.spread, before.spread),
        Kind::Providers => admits_more(&after.providers, &before.providers),
        Kind::Artifact | Kind::Duration | Kind::Monitor => false,
    }
}

fn all_in<T: PartialEq>(part: &[T], whole: &[T]) -> bool {
    part.iter().all(|each| whole.contains(each))
}

/// Whether some cap is higher or some minimum lower.
fn is_looser(after: Spread, before: Spread) -> bool {
    // No cap is the highest.
    let higher = |after: u16, before: u16| after.wrapping_sub(1) > before.wrapping_sub(1);
    higher(after.max_per_provider, before.max_per_provider)
        || higher(after.max_per_datacenter, before.max_per_datacenter)
        || higher(after.max_per_country, before.max_per_country)
        || after.min_providers < before.min_providers
        || after.min_countries < before.min_countries
}

/// Whether some provider may serve that might not before.
fn admits_more(after: &Providers, before: &Providers) -> bool {
    let named = [&after.allow, &before.allow, &after.deny, &before.deny];
    let gained = |provider| after.admit(provider) && !before.admit(provider);
    let unnamed = after.allow.is_empty() && !before.allow.is_empty();
    unnamed || named.into_iter().flatten().any(|each| gained(*each))
}

/// Ends the workers beyond the target, the dearest first, then the youngest, but none without which a distinct minimum
/// would not hold. (D10)
fn shrink<S: Store>(cx: &mut Cx<'_, S>, now: &mut DealNow) -> Result<(), Error> {
    let target = now.terms.target_workers;
    if now.deal.workers() > target {
        now.load_workers(cx)?;
    }
    if now.deal.staying() > target {
        let stay = matching::keep(cx, now, target)?;
        let most = cx.params.max_target_workers.into();
        let fewest = u128::try_from(stay.len()).unwrap_or(u128::MAX);
        let what = "target workers, as many as the distinct minima take";
        within(what, target.into(), fewest, most)?;
        for id in now.staying().into_iter().filter(|id| !stay.contains(id)) {
            let (reason, pay) = (GoneReason::Unwanted, Pay::AtLeastMinimum);
            now.gone(id, reason, Blame::Developer, pay)?;
        }
    }
    now.limit_vacated();
    // Workers under notice go as soon as the others are as many as are wanted.
    now.release_replaced()
}

/// Sets the end anew; a deal for which it is there ends now, and workers whose commitment is too short for it get notice.
/// (D12)
fn last<S: Store>(cx: &mut Cx<'_, S>, now: &mut DealNow) -> Result<(), Error> {
    now.set_end();
    now.load_workers(cx)?;
    if now.deal.ends <= cx.now() {
        return now.end(EndReason::Completed, Blame::Nobody, cx.now());
    }
    now.heed_commitments(cx.now())
}

/// The first step to another owner. (D14)
fn offer<S: Store>(cx: &mut Cx<'_, S>, deal: DealId, to: Option<Address>) -> Result<(), Error> {
    let mut now = owned(cx, deal)?;
    if now.deal.heir == to {
        return Ok(());
    }
    now.deal.heir = to;
    now.emit(Event::Offered { deal, to });
    now.save(cx)
}

/// The second step to another owner. (D14)
fn accept<S: Store>(cx: &mut Cx<'_, S>, deal: DealId) -> Result<(), Error> {
    let mut now = DealNow::load(cx, deal)?;
    let caller = cx.caller();
    let needs = Role::Heir;
    let refusal = Refusal::NotAllowed { caller, needs };
    ensure(now.deal.heir == Some(caller), refusal)?;
    refuse_ended(&now)?;
    now.deal.owner = caller;
    now.deal.heir = None;
    now.emit(Event::OwnerChanged {
        deal,
        owner: caller,
    });
    now.save(cx)
}

impl Change {
    /// Which of the terms it changes.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Artifact(_) => Kind::Artifact,
            Self::Target(_) => Kind::Target,
            Self::LimitPrice(_) => Kind::LimitPrice,
            Self::Requirements { .. } => Kind::Requirements,
            Self::Spread(_) => Kind::Spread,
            Self::Duration(_) => Kind::Duration,
            Self::Providers(_) => Kind::Providers,
            Self::Monitor(_) => Kind::Monitor,
        }
    }

    /// Writes it into terms.
    pub fn write(self, terms: &mut Terms) {
        match self {
            Self::Artifact(artifact) => terms.artifact = artifact,
            Self::Target(target) => terms.target_workers = target,
            Self::LimitPrice(price) => terms.limit_price = price,
            Self::Requirements {
                requirements,
                effectors,
                protocol_version,
            } => {
                terms.requirements = requirements;
                terms.effectors = effectors;
                terms.protocol_version = protocol_version;
            }
            Self::Spread(spread) => terms.spread = spread,
            Self::Duration(duration) => terms.duration = duration,
            Self::Providers(providers) => terms.providers = providers,
            Self::Monitor(monitor) => terms.monitor = monitor,
        }
    }
}
