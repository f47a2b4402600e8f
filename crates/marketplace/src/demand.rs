//! Demands: a developer's willingness to pay. A standing demand is a deal in state Matching, under one id; its
//! terms are this row, what changes is the row of `deal`.
//!
//! Promises (`docs/spec/demand.md`):
//! - D1: a demand is posted with its escrow, or not at all.
//! - D2: the escrow covers `min_prepaid_epochs` of the whole target at the limit price.
//! - D3: every list and number of a demand has a limit.

use crate::attribute::Predicate;
use crate::call::Reply;
use crate::cx::Cx;
use crate::refusal::{Error, Refusal};
use crate::store::Store;
use crate::table::Table;
use crate::units::{Address, DealId, Hash, PeerId, Price, Seconds, Usdc};
use borsh::{BorshDeserialize, BorshSerialize};

/// Who holds the bytes of an artifact.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Overlay key.
    pub key: PeerId,
    /// `host:port`.
    pub endpoint: String,
}

/// What workers run: a bundle of at most 16 named `wasi:http` components.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// BLAKE3 hash.
    pub hash: Hash,
    /// Size in bytes.
    pub size: u64,
    /// Who holds the bytes, at most 4.
    pub sources: Vec<Source>,
}

/// What is paid for.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
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
    /// How long workers are kept, unpaid and not serving, after the money is used up.
    pub hold: Seconds,
    /// An account that may evict workers and nothing else.
    pub monitor: Option<Address>,
}

/// Terms of deals, from posting to removal.
pub const DEMANDS: Table<DealId, Terms> = Table::new(0x20, "demands");

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
pub(crate) fn apply<S: Store>(_cx: &mut Cx<'_, S>, _call: Call) -> Result<Reply, Error> {
    Err(Refusal::NotYet { what: "demand" }.into())
}
