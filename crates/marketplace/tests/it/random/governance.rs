//! Parameters, changed by governance.

use super::{Made, Run};
use crate::world::address;
use marketplace::units::ChangeId;
use marketplace::{Call, governance};

/// Parameters whose change an auditor can follow, with the largest value worth a try.
const CHANGED: [(&str, u64); 8] = [
    ("min_prepaid_epochs", 2),
    ("min_charge_seconds", 40),
    ("start_timeout_seconds", 60),
    ("lease_seconds", 120),
    ("exclude_epochs", 3),
    ("max_replacements_per_epoch", 8),
    ("pause_epochs", 3),
    ("provider_list", 1),
];

impl Run {
    pub(super) fn propose(&mut self) -> Made {
        let (name, most) = self.dice.of(&CHANGED);
        let (name, value) = match self.odd(2) {
            true => self
                .dice
                .of(&[("chain_id", 1), ("nothing", 1), ("look_budget", 0)]),
            false => (name, self.number(most + 1)),
        };
        let parameter = name.to_owned();
        let call = governance::Call::Propose { parameter, value };
        (address("governance"), Call::Governance(call))
    }

    pub(super) fn cancel(&mut self) -> Made {
        let change = ChangeId(self.id(self.changes));
        let call = governance::Call::Cancel { change };
        (address("governance"), Call::Governance(call))
    }
}
