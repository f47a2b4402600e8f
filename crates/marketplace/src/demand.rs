//! Demands: a developer's willingness to pay. A standing demand is a deal in state Matching, under one id; its
//! terms are this row, what changes is the row of `deal`.
//!
//! Promises (`docs/spec/demand.md`):
//! - D1: a demand is posted with its escrow, or not at all.
//! - D2: the escrow covers `min_prepaid_epochs` of the whole target at the limit price.
//! - D3: every list and number of a demand has a limit.
//! - D7: providers may be named that alone serve it, or that do not.

use crate::attribute::{Predicate, check_text};
use crate::call::Reply;
use crate::cx::Cx;
use crate::deal::{Deal, DealNow};
use crate::ledger::{self, Account};
use crate::limits::{
    MAX_ARTIFACT, MAX_DURATION, MAX_EFFECTORS, MAX_ENDPOINTS, MAX_PRICE, MAX_PROVIDERS,
    MAX_REQUIREMENTS, MAX_SUPPLY, MAX_UNITS,
};
use crate::params::Params;
use crate::refusal::{Error, Refusal, ensure, long, within};
use crate::store::Store;
use crate::table::Table;
use crate::units::{Address, DealId, Hash, PeerId, Price, ProviderId, Seconds, Usdc};
use crate::{peer, time, usdc};
use borsh::{BorshDeserialize, BorshSerialize};

/// Who holds the bytes of an artifact.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Overlay key.
    pub key: PeerId,
    /// `host:port`.
    pub endpoint: String,
}

/// What the bytes of an artifact are.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArtifactKind {
    /// One `wasi:http` component.
    Component,
    /// A bundle of at most 16 of them, by name; not supported yet.
    Bundle,
}

/// What workers run.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// BLAKE3 hash.
    pub hash: Hash,
    /// Size in bytes.
    pub size: u64,
    /// What the bytes are.
    pub kind: ArtifactKind,
    /// Who holds the bytes, at most 4.
    pub sources: Vec<Source>,
}

/// What is paid for.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pricing {
    /// Time of units.
    Epoch,
    /// Requests; not supported yet.
    Request,
}

/// How far workers must lie apart. Zero: no limit.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Most workers with one provider.
    pub max_per_provider: u16,
    /// Most workers in one datacenter.
    pub max_per_datacenter: u16,
    /// Most workers in one country.
    pub max_per_country: u16,
    /// Fewest distinct providers.
    pub min_providers: u16,
    /// Fewest distinct countries.
    pub min_countries: u16,
}

/// Which providers may serve.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Providers {
    /// Only these, at most 64; empty: all.
    pub allow: Vec<ProviderId>,
    /// None of these, at most 64.
    pub deny: Vec<ProviderId>,
}

/// What a developer wants and what for.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What workers run.
    pub artifact: Artifact,
    /// Units of each worker, all on one peer.
    pub units_per_worker: u16,
    /// Nothing is reserved until this many workers can be placed.
    pub min_workers: u16,
    /// As many as wanted.
    pub target_workers: u16,
    /// Highest price per unit and epoch.
    pub limit_price: Price,
    /// What is paid for.
    pub pricing: Pricing,
    /// From the first worker running; None: while funded.
    pub duration: Option<Seconds>,
    /// At most 16; all must hold.
    pub requirements: Vec<Predicate>,
    /// Host capabilities that functions need, at most 16; `x` asks for the peer's attribute `effector.x`.
    pub effectors: Vec<String>,
    /// Version that the peer must speak.
    pub protocol_version: u32,
    /// How far workers must lie apart.
    pub spread: Spread,
    /// Which providers may serve.
    pub providers: Providers,
    /// How long workers are kept, not serving and at a part of their price, after the money is used up.
    pub hold: Seconds,
    /// An account that may evict workers and nothing else.
    pub monitor: Option<Address>,
}

/// Terms of deals, from posting to removal.
pub const DEMANDS: Table<DealId, Terms> = Table::new(0x20, "demands");
const COUNTER: u8 = 3;
const PLACES: u8 = 5;

/// The next place in the queue: behind all that were given before. (D8)
pub(crate) fn next_place<S: Store>(store: &mut S) -> Result<u64, Error> {
    time::next_id(store, PLACES)
}

/// Calls about demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The caller posts a demand and pays its escrow.
    Post {
        /// What it wants.
        terms: Terms,
        /// What it pays in.
        escrow: Usdc,
    },
}

/// What happens to demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a new demand.
    Posted {
        /// Its id, as a demand and as a deal.
        deal: DealId,
        /// Its owner.
        owner: Address,
        /// What workers run.
        artifact: Hash,
        /// What was paid in.
        escrow: Usdc,
    },
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    match call {
        Call::Post { terms, escrow } => post(cx, terms, escrow),
    }
}

fn post<S: Store>(cx: &mut Cx<'_, S>, terms: Terms, escrow: Usdc) -> Result<Reply, Error> {
    terms.check(&cx.params)?;
    let needed = terms.least_escrow(&cx.params)?;
    ensure(
        escrow >= needed,
        Refusal::EscrowTooSmall {
            needed,
            given: escrow,
        },
    )?;
    within("escrow", escrow.0, 1, MAX_SUPPLY.0)?;
    let owner = cx.caller();
    let available = usdc::balance_of(cx.store, owner)?;
    ensure(
        escrow <= available,
        Refusal::BalanceTooLow {
            needed: escrow,
            available,
        },
    )?;

    let id = DealId(time::next_id(cx.store, COUNTER)?);
    let artifact = terms.artifact.hash;
    let place = next_place(cx.store)?;
    let mut deal = Deal::posted(owner, place, cx.now(), &cx.params);
    deal.version = cx.params.version;
    deal.deposit = cx.params.deposit(1);
    let mut now = DealNow::new(cx, id, deal, terms);
    now.deposit(escrow)?;
    ledger::transfer(cx, Account::User(owner), Account::Deal(id), escrow)?;
    now.emit(Event::Posted {
        deal: id,
        owner,
        artifact,
        escrow,
    });
    now.create(cx)?;
    Ok(Reply::Deal(id))
}

impl Terms {
    /// One worker of one unit on any peer, paid by time for as long as the money lasts.
    #[must_use]
    pub fn one_worker(artifact: Artifact, limit_price: Price) -> Self {
        Self {
            artifact,
            units_per_worker: 1,
            min_workers: 1,
            target_workers: 1,
            limit_price,
            pricing: Pricing::Epoch,
            duration: None,
            requirements: Vec::new(),
            effectors: Vec::new(),
            protocol_version: 1,
            spread: Spread::default(),
            providers: Providers::default(),
            hold: Seconds(0),
            monitor: None,
        }
    }

    /// Refuses terms beyond their limits, and features that are not there yet. (D3)
    pub(crate) fn check(&self, params: &Params) -> Result<(), Error> {
        ensure(
            self.pricing == Pricing::Epoch,
            Refusal::NotYet {
                what: "request pricing",
            },
        )?;
        self.artifact.check()?;
        within(
            "units per worker",
            self.units_per_worker.into(),
            1,
            MAX_UNITS.into(),
        )?;
        self.check_workers(params)?;
        self.check_price()?;
        self.check_duration()?;
        within(
            "hold",
            self.hold.0.into(),
            0,
            params.max_hold_seconds.into(),
        )?;
        self.check_requirements()?;
        self.check_spread()?;
        self.providers.check()
    }

    pub(crate) fn check_workers(&self, params: &Params) -> Result<(), Error> {
        let (min, target) = (self.min_workers.into(), self.target_workers.into());
        let most = params.max_target_workers.into();
        within("target workers", target, 1, most)?;
        within("least workers", min, 1, target)
    }

    pub(crate) fn check_price(&self) -> Result<(), Error> {
        within("limit price", self.limit_price.0, 1, MAX_PRICE.0)
    }

    pub(crate) fn check_duration(&self) -> Result<(), Error> {
        let duration = self.duration.map_or(1, |duration| duration.0);
        within("duration", duration.into(), 1, MAX_DURATION.into())
    }

    pub(crate) fn check_requirements(&self) -> Result<(), Error> {
        long("requirements", self.requirements.len(), 0, MAX_REQUIREMENTS)?;
        self.requirements.iter().try_for_each(Predicate::check)?;
        long("effectors", self.effectors.len(), 0, MAX_EFFECTORS)?;
        self.effectors
            .iter()
            .try_for_each(|name| check_text("effector", name))
    }

    pub(crate) fn check_spread(&self) -> Result<(), Error> {
        let (spread, min) = (self.spread, self.min_workers.into());
        within("distinct providers", spread.min_providers.into(), 0, min)?;
        within("distinct countries", spread.min_countries.into(), 0, min)
    }
}

impl Providers {
    /// Whether a provider may serve. (D7)
    #[must_use]
    pub fn admit(&self, provider: ProviderId) -> bool {
        let allowed = self.allow.is_empty() || self.allow.contains(&provider);
        allowed && !self.deny.contains(&provider)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        long("allowed providers", self.allow.len(), 0, MAX_PROVIDERS)?;
        long("denied providers", self.deny.len(), 0, MAX_PROVIDERS)
    }
}

impl Artifact {
    /// A component that nobody is named to hold.
    #[must_use]
    pub fn new(hash: Hash, size: u64) -> Self {
        Self {
            hash,
            size,
            kind: ArtifactKind::Component,
            sources: Vec::new(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let what = "bundles of components";
        let component = self.kind == ArtifactKind::Component;
        ensure(component, Refusal::NotYet { what })?;
        within("artifact size", self.size.into(), 1, MAX_ARTIFACT.into())?;
        long("sources", self.sources.len(), 0, MAX_ENDPOINTS)?;
        self.sources
            .iter()
            .try_for_each(|source| peer::check_endpoint(&source.endpoint))
    }
}
