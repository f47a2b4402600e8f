//! Protocol parameters: one table with value, bounds, unit and meaning. They are fixed at genesis; changing
//! them by governance comes later, so none says yet when a change acts.

use crate::refusal::{Error, within};
use crate::store::Store;
use crate::table::Table;
use crate::units::{Seconds, Usdc};
use borsh::{BorshDeserialize, BorshSerialize};

/// The one row of parameters.
pub const PARAMS: Table<(), Params> = Table::new(0x01, "params");

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
    /// What it does.
    pub meaning: &'static str,
}

macro_rules! params {
    ($($name:ident: $default:literal, $min:literal..=$max:literal, $unit:literal, $meaning:literal;)*) => {
        /// Every parameter; [`Default`] gives the values of the main network.
        #[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
        pub struct Params {
            $(#[doc = concat!($meaning, " Unit: ", $unit, ".")] pub $name: u64,)*
        }

        impl Default for Params {
            fn default() -> Self {
                Self { $($name: $default,)* }
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
        }
    };
}

params! {
    chain_id: 1, 1..=18_446_744_073_709_551_615, "id", "Chain that signatures are made for.";
    epoch_seconds: 86_400, 1..=10_000_000, "seconds", "Length of an epoch, for which prices are named.";
    max_step_seconds: 30, 1..=3_600, "seconds", "Most that one block advances protocol time.";
    min_prepaid_epochs: 2, 0..=1_000, "epochs", "Epochs at the limit price that the escrow of a demand must cover.";
    min_charge_seconds: 600, 0..=86_400, "seconds", "Least time a worker is paid for when its developer ends it.";
    start_timeout_seconds: 120, 1..=86_400, "seconds", "Time from assignment in which a worker must run.";
    report_seconds: 3_600, 1..=86_400, "seconds", "Distance at which peers are expected to report.";
    lease_seconds: 9_000, 1..=864_000, "seconds", "How long a report keeps a peer's workers.";
    exclude_epochs: 7, 0..=1_000, "epochs", "How long a peer that left a deal is no candidate for it.";
    max_replacements_per_epoch: 16, 1..=1_000, "workers", "Workers of a deal replaced in one epoch.";
    pause_epochs: 30, 0..=1_000, "epochs", "How long a paused deal without workers waits for money before it ends.";
    max_target_workers: 64, 1..=256, "workers", "Largest target of a demand.";
    max_hold_seconds: 604_800, 0..=31_536_000, "seconds", "Longest hold of a demand.";
    hold_ppm: 250_000, 0..=1_000_000, "ppm", "What a hold costs, as a part of what running costs; a deal keeps that of its posting.";
    look_budget: 4_096, 1..=65_536, "candidates", "Candidates that fit a demand and among which one look chooses.";
    clearing_budget: 65_536, 1..=1_000_000_000, "candidates", "Work of clearing in one block, in candidates tested, before it goes on in the next.";
    due_budget: 1_024, 1..=1_000_000, "deals and workers", "Deals, with their workers, brought up to now by the clock in one half of a block.";
    faucet_usdc: 0, 0..=1_000_000_000_000_000, "millionths of USDC", "Most that one faucet call gives; 0 switches the faucet off.";
}

impl Params {
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
        Ok(())
    }
}

/// The parameters in force.
///
/// # Errors
/// Out of work, or a fault before genesis.
pub fn get<S: Store>(store: &mut S) -> Result<Params, Error> {
    PARAMS.must(store, &())
}
