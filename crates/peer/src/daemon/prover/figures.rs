//! What an operator wants to know of each unit, as text that Prometheus reads.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

/// What a unit does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doing {
    /// Nothing: it has no window to prove, or is done with it.
    #[default]
    Idle,
    /// It makes its dataset, or waits for the cache of its key period.
    Preparing,
    /// It hashes.
    Proving,
    /// A worker has it.
    Serving,
}

/// A unit's figures. Sums are since the peer started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// What it does now.
    pub doing: Doing,
    /// The window that it proves, or proved last.
    pub window: u64,
    /// Leaves that its two chains have in a window.
    pub leaves: u64,
    /// Leaves of them that are done.
    pub leaves_done: u64,
    /// Hashes a second of both chains, over the time spent on this window.
    pub hashes_per_second: f64,
    /// Whether its dataset is in memory.
    pub has_dataset: bool,
    /// Datasets that were made for it.
    pub datasets_built: u64,
    /// Items of its datasets that were made again and compared.
    pub items_checked: u64,
    /// Items of them that memory had garbled.
    pub items_wrong: u64,
    /// Windows to which the peer committed with it.
    pub windows_committed: u64,
    /// Windows that it was to prove and that ran out.
    pub windows_missed: u64,
    /// Windows that it owes and that it passed in the epoch it is counted in, as the chain says.
    pub owed_in_epoch: u64,
    /// See there.
    pub passed_in_epoch: u64,
    /// Audits that were answered.
    pub audits_answered: u64,
    /// Workers that it was given to.
    pub handovers: u64,
    /// How long the last of these took: from the planner's decision until the worker served.
    pub handover: Duration,
}

/// Name, whether it only grows, meaning, and value.
type Metric = (&'static str, bool, &'static str, fn(&Figures) -> f64);

const METRICS: [Metric; 15] = [
    (
        "window",
        false,
        "The window that the unit proves, or proved last.",
        |unit| unit.window as f64,
    ),
    (
        "leaves",
        false,
        "Leaves of both chains in a window.",
        |unit| unit.leaves as f64,
    ),
    (
        "leaves_done",
        false,
        "Leaves of them that are done.",
        |unit| unit.leaves_done as f64,
    ),
    (
        "hashes_per_second",
        false,
        "RandomX hashes of both chains in this window.",
        |unit| unit.hashes_per_second,
    ),
    (
        "dataset",
        false,
        "1 while its dataset is in memory.",
        |unit| unit.has_dataset.into(),
    ),
    (
        "datasets_built_total",
        true,
        "Datasets made for it.",
        |unit| unit.datasets_built as f64,
    ),
    (
        "items_checked_total",
        true,
        "Items of datasets that were compared.",
        |unit| unit.items_checked as f64,
    ),
    (
        "items_wrong_total",
        true,
        "Items of them that memory had garbled.",
        |unit| unit.items_wrong as f64,
    ),
    (
        "windows_committed_total",
        true,
        "Windows committed to.",
        |unit| unit.windows_committed as f64,
    ),
    (
        "windows_missed_total",
        true,
        "Windows that ran out.",
        |unit| unit.windows_missed as f64,
    ),
    (
        "epoch_windows_owed",
        false,
        "Windows owed in the counted epoch, as the chain says.",
        |unit| unit.owed_in_epoch as f64,
    ),
    (
        "epoch_windows_passed",
        false,
        "Windows passed of them.",
        |unit| unit.passed_in_epoch as f64,
    ),
    ("audits_answered_total", true, "Audits answered.", |unit| {
        unit.audits_answered as f64
    }),
    (
        "handovers_total",
        true,
        "Workers it was given to.",
        |unit| unit.handovers as f64,
    ),
    (
        "handover_seconds",
        false,
        "From the decision until the worker served, the last time.",
        |unit| unit.handover.as_secs_f64(),
    ),
];

const DOING: [(Doing, &str); 4] = [
    (Doing::Idle, "idle"),
    (Doing::Preparing, "preparing"),
    (Doing::Proving, "proving"),
    (Doing::Serving, "serving"),
];

/// All figures, in Prometheus' format.
pub(in crate::daemon) fn text(units: &BTreeMap<u16, Figures>) -> String {
    let mut text = String::from(
        "# HELP mp_unit_doing 1 for what the unit does.\n# TYPE mp_unit_doing gauge\n",
    );
    for (unit, figures) in units {
        for (doing, what) in DOING {
            let is = u8::from(figures.doing == doing);
            // Writing to a string does not fail, here and below.
            let _ = writeln!(
                text,
                "mp_unit_doing{{unit=\"{unit}\",what=\"{what}\"}} {is}"
            );
        }
    }
    for (name, grows, help, value) in METRICS {
        let kind = if grows { "counter" } else { "gauge" };
        let _ = writeln!(
            text,
            "# HELP mp_unit_{name} {help}\n# TYPE mp_unit_{name} {kind}"
        );
        for (unit, figures) in units {
            let _ = writeln!(text, "mp_unit_{name}{{unit=\"{unit}\"}} {}", value(figures));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Doing, Figures, text};
    use std::time::Duration;

    #[test]
    fn each_figure_has_a_line_for_each_unit() {
        let proving = Figures {
            doing: Doing::Proving,
            window: 7,
            leaves: 64,
            leaves_done: 12,
            hashes_per_second: 512.5,
            has_dataset: true,
            handover: Duration::from_millis(45),
            ..Figures::default()
        };
        let units = [(0, proving), (3, Figures::default())].into();
        let text = text(&units);
        for line in [
            "mp_unit_doing{unit=\"0\",what=\"proving\"} 1",
            "mp_unit_doing{unit=\"3\",what=\"proving\"} 0",
            "mp_unit_doing{unit=\"3\",what=\"idle\"} 1",
            "# TYPE mp_unit_window gauge",
            "mp_unit_window{unit=\"0\"} 7",
            "mp_unit_leaves_done{unit=\"0\"} 12",
            "mp_unit_hashes_per_second{unit=\"0\"} 512.5",
            "mp_unit_dataset{unit=\"0\"} 1",
            "mp_unit_dataset{unit=\"3\"} 0",
            "# TYPE mp_unit_windows_missed_total counter",
            "mp_unit_handover_seconds{unit=\"0\"} 0.045",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert_eq!(text.matches("# TYPE").count(), 16);
        assert_eq!(text.matches("unit=\"3\"").count(), 4 + 15);
    }
}
