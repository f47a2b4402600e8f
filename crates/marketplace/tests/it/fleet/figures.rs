//! What a simulated fleet did, as numbers: one line of JSON for machines, a table for people.

use super::{Fleet, Settings, prover::Kind};
use marketplace::audit::Outcome;
use std::fmt::Write as _;

/// One figure for each block, or each window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<u64>);

impl Series {
    pub(crate) fn push(&mut self, value: u64) {
        self.0.push(value);
    }

    pub(crate) fn most(&self) -> u64 {
        self.0.iter().max().copied().unwrap_or(0)
    }

    /// The middle one; of those above zero, if `some`.
    pub(crate) fn median(&self, some: bool) -> u64 {
        let values = self.0.iter().copied();
        let mut values: Vec<_> = values.filter(|value| !some || *value > 0).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or(0)
    }

    fn json(&self) -> String {
        let [median, some, most] = [self.median(false), self.median(true), self.most()];
        format!(r#"{{"median":{median},"median_above_zero":{some},"max":{most}}}"#)
    }
}

/// What became of the peers of a kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    pub(crate) peers: u64,
    pub(crate) units: u64,
    pub(crate) commits: u64,
    /// Commits that were refused since they came too late, and other calls that were refused.
    pub(crate) late: u64,
    pub(crate) refused: u64,
    pub(crate) passed: u64,
    pub(crate) no_answer: u64,
    pub(crate) second: u64,
    pub(crate) hardware: u64,
    pub(crate) fraud: u64,
    /// Epochs that its units missed.
    pub(crate) missed: u64,
    /// Units that lost some of their collateral.
    pub(crate) slashed: u64,
}

impl Fate {
    pub(crate) fn judged(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::NoAnswer => &mut self.no_answer,
            Outcome::AskedAgain => &mut self.second,
            Outcome::Hardware => &mut self.hardware,
            Outcome::Fraud => &mut self.fraud,
        } += 1;
    }

    fn figures(&self) -> [(&'static str, u64); 12] {
        [
            ("peers", self.peers),
            ("units", self.units),
            ("commits", self.commits),
            ("late", self.late),
            ("refused", self.refused),
            ("passed", self.passed),
            ("no_answer", self.no_answer),
            ("second", self.second),
            ("hardware", self.hardware),
            ("fraud", self.fraud),
            ("missed", self.missed),
            ("slashed", self.slashed),
        ]
    }

    fn json(&self) -> String {
        let figures = self.figures();
        let figures = figures.map(|(name, figure)| format!(r#""{name}":{figure}"#));
        format!("{{{}}}", figures.join(","))
    }
}

impl Fleet {
    /// Seconds of a core that a validator judged, and that as thousandths of a core over all windows.
    pub(crate) fn judging(&self) -> (u64, u64) {
        let seconds = self.chain.validator.busy_us / 1_000_000;
        let params = &self.chain.world.params;
        let over = self.settings.windows * params.window().0;
        (seconds, seconds * 1_000 / over.max(1))
    }

    /// One line.
    pub(crate) fn json(&self) -> String {
        let Settings {
            units,
            windows,
            threads,
            spread,
            hash_us,
            ..
        } = self.settings;
        let load = &self.chain.load;
        let (seconds, millicores) = self.judging();
        let series = [
            ("audits_per_window", &self.audits(false)),
            ("second_audits_per_window", &self.audits(true)),
            ("audits_per_block", &load.audits),
            ("commits_per_block", &load.commits),
            ("answers_per_block", &load.answers),
            ("verdicts_per_block", &load.verdicts),
            ("unanswered", &load.unanswered),
            ("unjudged", &load.unjudged),
            ("calls_waiting", &load.waiting),
            ("calls_kgas", &load.calls_kgas),
            ("around_kgas", &load.around_kgas),
        ];
        let series = series.map(|(name, series)| format!(r#""{name}":{}"#, series.json()));
        let fates = Kind::ALL.iter().zip(&self.fates);
        let fates: Vec<_> = fates
            .map(|(kind, fate)| format!(r#""{}":{}"#, kind.name(), fate.json()))
            .collect();
        let honest = self.fates[0].slashed;
        format!(
            r#"{{"simulation":"fleet","units":{units},"peers":{},"windows":{windows},"threads":{threads},"spread_seconds":{spread},"hash_us":{hash_us},"blocks":{},"blocks_behind":{},"judging_seconds":{seconds},"judging_millicores":{millicores},"honest_slashed":{honest},{},"kinds":{{{}}}}}"#,
            self.peers.len(),
            self.blocks,
            load.behind,
            series.join(","),
            fates.join(","),
        )
    }

    /// The same for people: what became of whom.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("{:10}", "");
        for (name, _) in self.fates[0].figures() {
            let _ = write!(text, "{name:>10}");
        }
        for (kind, fate) in Kind::ALL.iter().zip(&self.fates) {
            let _ = write!(text, "\n{:10}", kind.name());
            for (_, figure) in fate.figures() {
                let _ = write!(text, "{figure:>10}");
            }
        }
        text
    }
}
