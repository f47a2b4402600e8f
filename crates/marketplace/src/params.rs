//! Protocol parameters: one table with value, bounds, unit, meaning, and when a change by `governance` acts.

use crate::limits::MAX_OPEN_WINDOWS;
use crate::refusal::{Error, Refusal, ensure, within};
use crate::store::Store;
use crate::table::Table;
use crate::units::{Address, Seconds, Usdc};
use borsh::{BorshDeserialize, BorshSerialize};

/// The one row of parameters.
pub const PARAMS: Table<(), Params> = Table::new(0x01, "params");
/// Parameters as they were before each change of one that acts at creation, by [`Params::version`].
pub const VERSIONS: Table<u32, Params> = Table::new(0x0a, "versions");

/// When a change of a parameter acts, once its delay is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acts {
    /// It cannot be changed.
    Never,
    /// From the block that comes.
    Now,
    /// From the next epoch on.
    NextEpoch,
    /// For deals that are posted from then on; others keep what they were posted under.
    AtCreation,
}

/// What a person needs to know of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Field of [`Params`].
    pub name: &'static str,
    /// Value in force.
    pub value: u64,
    /// Smallest allowed.
    pub min: u64,
    /// Largest allowed.
    pub max: u64,
    /// Unit of the value.
    pub unit: &'static str,
    /// When a change acts.
    pub acts: Acts,
    /// What it does.
    pub meaning: &'static str,
}

macro_rules! params {
    ($($name:ident: $default:literal, $min:literal..=$max:literal, $unit:literal, $acts:ident, $meaning:literal;)*) => {
        /// Every parameter; [`Default`] gives the values of the main network.
        #[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
        pub struct Params {
            /// The account that may change parameters and admits providers; zero: nobody.
            pub governance: Address,
            /// The account that states the price of FLT and what a unit is to earn; zero: nobody.
            pub oracle: Address,
            /// Changes so far of parameters that act at creation.
            pub version: u32,
            $(#[doc = concat!($meaning, " Unit: ", $unit, ".")] pub $name: u64,)*
        }

        impl Default for Params {
            fn default() -> Self {
                Self {
                    governance: Address::default(),
                    oracle: Address::default(),
                    version: 0,
                    $($name: $default,)*
                }
            }
        }

        impl Params {
            /// All of them with bounds, unit and meaning.
            #[must_use]
            pub fn table(&self) -> Vec<Parameter> {
                vec![$(Parameter {
                    name: stringify!($name),
                    value: self.$name,
                    min: $min,
                    max: $max,
                    unit: $unit,
                    acts: Acts::$acts,
                    meaning: $meaning,
                },)*]
            }

            /// Sets the parameter `name`; false if there is none of that name. Bounds are checked at genesis.
            pub fn set(&mut self, name: &str, value: u64) -> bool {
                match name {
                    $(stringify!($name) => self.$name = value,)*
                    _ => return false,
                }
                true
            }

            /// These, but for parameters that act at creation: those of `then`.
            #[must_use]
            pub(crate) fn of_creation(&self, then: &Self) -> Self {
                let mut params = self.clone();
                $(if matches!(Acts::$acts, Acts::AtCreation) {
                    params.$name = then.$name;
                })*
                params
            }
        }
    };
}

params! {
    chain_id: 1, 1..=18_446_744_073_709_551_615, "id", Never, "Chain that signatures are made for.";
    epoch_seconds: 86_400, 1..=10_000_000, "seconds", Never, "Length of an epoch, for which prices are named.";
    max_step_seconds: 30, 1..=3_600, "seconds", Now, "Most that one block advances protocol time.";
    min_prepaid_epochs: 2, 0..=1_000, "epochs", Now, "Epochs at the limit price that the escrow of a demand must cover.";
    min_charge_seconds: 600, 0..=86_400, "seconds", AtCreation, "Least time a worker is paid for when its developer ends it.";
    start_timeout_seconds: 120, 1..=86_400, "seconds", AtCreation, "Time from assignment in which a worker must run.";
    report_seconds: 3_600, 1..=86_400, "seconds", NextEpoch, "Distance at which peers are expected to report.";
    lease_seconds: 9_000, 1..=864_000, "seconds", NextEpoch, "How long a report keeps a peer's workers.";
    exclude_epochs: 7, 0..=1_000, "epochs", AtCreation, "How long a peer that left a deal is no candidate for it.";
    max_replacements_per_epoch: 16, 1..=1_000, "workers", NextEpoch, "Workers of a deal replaced in one epoch.";
    pause_epochs: 30, 0..=1_000, "epochs", AtCreation, "How long a paused deal without workers waits for money before it ends.";
    max_target_workers: 64, 1..=256, "workers", Now, "Largest target of a demand.";
    max_hold_seconds: 604_800, 0..=31_536_000, "seconds", Now, "Longest hold of a demand.";
    hold_ppm: 250_000, 0..=1_000_000, "ppm", AtCreation, "What a hold costs, as a part of what running costs.";
    fee_ppm: 0, 0..=200_000, "ppm", AtCreation, "Part of what providers withdraw that goes to the treasury.";
    look_budget: 4_096, 1..=65_536, "candidates", Now, "Candidates that fit a demand and among which one look chooses.";
    clearing_budget: 65_536, 1..=1_000_000_000, "candidates", Now, "Work of clearing in one block before it goes on in the next: candidates that fit; 64 that are only tested count as one.";
    due_budget: 1_024, 1..=1_000_000, "deals and workers", Now, "Deals, with their workers, brought up to now by the clock in one half of a block.";
    deposit_gwei: 10_000_000, 0..=1_000_000_000_000, "gwei of FLT", Now, "Deposit for each provider, datacenter, peer, unit, offer and deal, given back on removal.";
    removal_epochs: 90, 0..=10_000, "epochs", Now, "How long after its end only its owner may remove a deal.";
    provider_list: 0, 0..=1, "switch", Now, "1: only providers that governance admitted get new workers.";
    governance_delay_seconds: 172_800, 0..=31_536_000, "seconds", Now, "Time from the proposal of a change to when it acts.";
    windows_per_epoch: 48, 0..=1_000, "windows", Never, "Windows of an epoch, in each of which an idle unit proves itself; 0: no proofs, no commitments.";
    commit_grace_seconds: 240, 1..=86_400, "seconds", Never, "Time from the end of a window in which a peer may still commit to what its units computed.";
    answer_seconds: 1_800, 1..=86_400, "seconds", Never, "Time from the draw of an audit in which it must be answered.";
    verdict_delay_seconds: 300, 1..=86_400, "seconds", Never, "Time from an answer to its verdict, in which validators compute.";
    key_epochs: 1, 1..=1_000_000, "epochs", Never, "How long a RandomX cache key is used.";
    commitments_required: 1, 0..=1, "switch", Now, "1: only units of peers whose commitment is active get new workers.";
    open_commitment_epochs: 2, 0..=1_000, "epochs", Now, "How long a commitment must last on, at least, for a worker of a deal without a duration.";
    max_commitment_epochs: 1_000, 1..=100_000, "epochs", Now, "Longest duration of a commitment.";
    collateral_usd_micro: 100_000_000, 0..=1_000_000_000_000, "millionths of a dollar", Now, "Collateral of a unit of class 1, in FLT at its price when a commitment is made.";
    collateral_wait_epochs: 7, 1..=1_000, "epochs", AtCreation, "How long a commitment waits for its collateral before anybody may close it.";
    min_pass_ppm: 900_000, 0..=1_000_000, "ppm", AtCreation, "Part of the windows that a unit owes in an epoch which it must pass, rounded down.";
    min_owed_windows: 4, 1..=1_000, "windows", AtCreation, "A unit that owes fewer windows in an epoch cannot miss it.";
    missed_ppm: 10_000, 0..=1_000_000, "ppm", AtCreation, "Part of a unit's collateral that a missed epoch costs.";
    max_failed_per_unit: 10, 1..=10_000, "missed epochs", AtCreation, "A commitment fails when its units together missed so many epochs for each of them.";
    no_answer_ppm: 50_000, 0..=1_000_000, "ppm", AtCreation, "Part of a unit's collateral that an audit without an answer costs.";
    hardware_ppm: 20_000, 0..=1_000_000, "ppm", AtCreation, "Part of a unit's collateral that a hardware fault costs.";
    fault_slash_ppm: 10_000, 0..=1_000_000, "ppm", AtCreation, "Part of the collateral of a worker's units that it costs not to start it in time, or to leave without notice.";
    holdback_epochs: 7, 1..=1_000, "epochs", AtCreation, "How long a reward is held back before it vests.";
    vesting_epochs: 6, 1..=1_000, "epochs", AtCreation, "In how many equal parts a reward vests, one an epoch.";
    cool_down_epochs: 14, 0..=1_000, "epochs", AtCreation, "How long the collateral of a commitment that failed is kept.";
    audit_budget: 5_200, 0..=100_000, "units", Now, "Units audited in one window, at most.";
    flag_windows: 48, 0..=10_000, "windows", Now, "For so many windows all units of a peer are audited that did not answer, or answered wrongly.";
    price_max_age_seconds: 172_800, 1..=31_536_000, "seconds", Now, "Age at which the price of FLT is stale: no commitment is made and the pool stays as it is.";
    min_flt_price_micro: 1_000, 1..=1_000_000_000_000, "millionths of a dollar", Now, "Lowest price of FLT that the oracle may state.";
    max_flt_price_micro: 1_000_000_000, 1..=1_000_000_000_000, "millionths of a dollar", Now, "Highest price of FLT that the oracle may state.";
    max_reward_usd_micro: 500_000, 0..=1_000_000_000_000, "millionths of a dollar", Now, "Most that the oracle may say that a unit of class 1 is to earn in an epoch.";
    pool_floor_gwei: 1_000_000_000_000, 0..=18_000_000_000_000_000_000, "gwei of FLT", Now, "Smallest pool of an epoch, and the first.";
    pool_cap_gwei: 3_000_000_000_000, 0..=18_000_000_000_000_000_000, "gwei of FLT", Now, "Largest pool of an epoch.";
    pool_step_ppm: 100_000, 0..=1_000_000, "ppm", Now, "Most by which the pool grows or shrinks from one epoch to the next.";
    leaves_per_class: 32_768, 1..=1_048_576, "leaves", Never, "Leaves that each chain (thread) of a unit computes in a window, for each class.";
    steps_per_leaf: 4, 1..=64, "hashes", Never, "RandomX hashes one after another for a leaf.";
    reward_cap_ppm: 2_000_000, 0..=1_000_000_000, "ppm", Now, "Most that a unit earns in an epoch, as a part of what it is to earn; 0: no cap.";
    faucet_usdc: 0, 0..=1_000_000_000_000_000, "millionths of USDC", Now, "Most that one faucet call gives; 0 switches the faucet off.";
}

impl Params {
    /// Those of a network without proofs of capacity, where every idle unit may serve.
    #[must_use]
    pub fn without_commitments() -> Self {
        Self {
            windows_per_epoch: 0,
            commitments_required: 0,
            ..Self::default()
        }
    }

    /// Length of an epoch.
    #[must_use]
    pub fn epoch(&self) -> Seconds {
        Seconds(self.epoch_seconds)
    }

    /// Most that one faucet call gives.
    #[must_use]
    pub fn faucet(&self) -> Usdc {
        Usdc(u128::from(self.faucet_usdc))
    }

    /// Seconds of its rate that a deal must hold for each worker when one is assigned.
    #[must_use]
    pub fn cover(&self) -> Seconds {
        Seconds(
            self.min_charge_seconds
                .saturating_add(self.start_timeout_seconds),
        )
    }

    /// Refuses a value outside its bounds.
    ///
    /// # Errors
    /// `OutOfBounds` for the first such parameter.
    pub fn check(&self) -> Result<(), Error> {
        for each in self.table() {
            within(
                each.name,
                each.value.into(),
                each.min.into(),
                each.max.into(),
            )?;
        }
        self.check_windows()
    }

    /// Refuses windows that do not divide an epoch, or of which too many are open at a time.
    fn check_windows(&self) -> Result<(), Error> {
        if self.windows_per_epoch == 0 {
            let what = "commitments_required: 0 on a network without windows";
            return ensure(self.commitments_required == 0, Refusal::Malformed { what });
        }
        let rest = self.epoch_seconds.checked_rem(self.windows_per_epoch);
        let what =
            "epoch_seconds: a multiple of windows_per_epoch, and windows of a second or more";
        let whole = rest == Some(0) && self.window().0 > 0;
        ensure(whole, Refusal::Malformed { what })?;
        let grace = self.commit_grace_seconds.into();
        within("commit_grace_seconds", grace, 1, self.window().0.into())?;
        let open = self.window_over().0.div_ceil(self.window().0.max(1));
        let most = u128::from(MAX_OPEN_WINDOWS);
        within("windows until the last verdict", open.into(), 1, most)
    }
}

/// The parameters that hold for what was created under `version`.
pub(crate) fn of_version<S: Store>(
    store: &mut S,
    current: &Params,
    version: u32,
) -> Result<Params, Error> {
    if version == current.version {
        return Ok(current.clone());
    }
    let then = VERSIONS.must(store, &version)?;
    Ok(current.of_creation(&then))
}

/// The parameters in force.
///
/// # Errors
/// Out of work, or a fault before genesis.
pub fn get<S: Store>(store: &mut S) -> Result<Params, Error> {
    PARAMS.must(store, &())
}
