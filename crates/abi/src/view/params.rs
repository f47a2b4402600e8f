//! Parameters of the marketplace, and changes that wait.

use alloy_primitives::Address;
use marketplace::Params;
use marketplace::governance::Waiting;
use marketplace::params::{self as domain, Acts};
use serde::{Deserialize, Serialize};

/// All parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The account that may change them; null: nobody.
    pub governance: Option<Address>,
    /// The account that states the price of FLT; null: nobody.
    pub oracle: Option<Address>,
    /// Each of them.
    pub parameters: Vec<Parameter>,
    /// Changes that wait, soonest first.
    pub pending: Vec<Pending>,
}

/// A parameter in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    /// Name.
    pub name: String,
    /// Value.
    pub value: u64,
    /// Unit of the value.
    pub unit: String,
    /// Smallest allowed.
    pub min: u64,
    /// Largest allowed.
    pub max: u64,
    /// When a change acts: `never`, `now`, `next epoch` or `at creation`.
    pub acts: String,
    /// What it does.
    pub meaning: String,
}

/// A change that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// Its id.
    pub change: u64,
    /// Name of the parameter.
    pub parameter: String,
    /// Its value to be.
    pub value: u64,
    /// When it acts, in seconds of protocol time.
    pub at: u64,
}

impl From<(Params, Vec<Waiting>)> for Parameters {
    fn from((params, pending): (Params, Vec<Waiting>)) -> Self {
        let named = |account: marketplace::units::Address| {
            let account = Address::from(account.0);
            (!account.is_zero()).then_some(account)
        };
        Self {
            governance: named(params.governance),
            oracle: named(params.oracle),
            parameters: params.table().into_iter().map(Into::into).collect(),
            pending: pending.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<domain::Parameter> for Parameter {
    fn from(parameter: domain::Parameter) -> Self {
        let acts = match parameter.acts {
            Acts::Never => "never",
            Acts::Now => "now",
            Acts::NextEpoch => "next epoch",
            Acts::AtCreation => "at creation",
        };
        Self {
            name: parameter.name.into(),
            value: parameter.value,
            unit: parameter.unit.into(),
            min: parameter.min,
            max: parameter.max,
            acts: acts.into(),
            meaning: parameter.meaning.into(),
        }
    }
}

impl From<Waiting> for Pending {
    fn from(((at, id), change): Waiting) -> Self {
        Self {
            change: id.0,
            parameter: change.parameter,
            value: change.value,
            at: at.0,
        }
    }
}
