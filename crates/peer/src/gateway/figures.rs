//! What a gateway counts, as text that Prometheus reads.

use super::{health::Outcome, record::Record};
use marketplace::units::{DealId, WorkerId};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Upper bounds of the time until an answer begins, in microseconds.
const BOUNDS_US: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 30_000_000,
];

/// Counters since the gateway started.
#[derive(Debug, Default)]
pub(super) struct Figures {
    counts: Mutex<Counts>,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    /// Of each deal, by the first digit of the status. What named no deal is under None.
    requests: BTreeMap<Option<DealId>, [u64; 6]>,
    retries: BTreeMap<DealId, u64>,
    /// Requests by the first of the bounds that their time is not above; the last are above all.
    times: [u64; BOUNDS_US.len() + 1],
    time_us: u64,
    unreached: u64,
    failing: u64,
    silent: u64,
}

/// What is so at the moment.
pub(super) struct Now {
    /// Of each deal the requests under way, and the workers that are left out.
    pub(super) deals: Vec<(DealId, u32, Vec<WorkerId>)>,
    /// Lines of the access log that were not written.
    pub(super) dropped: u64,
}

impl Figures {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is over.
    pub(super) fn count(&self, record: &Record) {
        let mut counts = self.counts();
        let deal = record.deal.map(DealId);
        let class = usize::from(record.status / 100).min(5);
        counts.requests.entry(deal).or_default()[class] += 1;
        if let Some(deal) = deal.filter(|_| record.retries > 0) {
            *counts.retries.entry(deal).or_default() += u64::from(record.retries);
        }
        let bound = BOUNDS_US.partition_point(|bound| *bound < record.first_us);
        counts.times[bound] += 1;
        counts.time_us = counts.time_us.saturating_add(record.first_us);
    }

    /// A worker is left out for what became of a request.
    pub(super) fn left_out(&self, outcome: Outcome) {
        let mut counts = self.counts();
        match outcome {
            Outcome::Failed => counts.failing += 1,
            _ => counts.unreached += 1,
        }
    }

    /// So many workers are left out because their peer is silent.
    pub(super) fn silent(&self, workers: usize) {
        self.counts().silent += workers as u64;
    }

    /// Forgets deals that are not served, so that no more is kept than there is.
    pub(super) fn keep(&self, served: &BTreeSet<DealId>) {
        let mut counts = self.counts();
        let is_served = |deal: &DealId| served.contains(deal);
        counts
            .requests
            .retain(|deal, _| deal.as_ref().is_none_or(is_served));
        counts.retries.retain(|deal, _| is_served(deal));
    }

    /// Everything, in the text format of Prometheus.
    pub(super) fn text(&self, now: &Now) -> String {
        let counts = self.counts().clone();
        let mut page = PageText::default();
        page.requests(&counts);
        page.times(&counts);
        page.deals(&counts, now);
        page.head(
            "left_out_total",
            "counter",
            "Times that a worker was left out, by why.",
        );
        for (why, count) in [
            ("unreached", counts.unreached),
            ("failing", counts.failing),
            ("silent", counts.silent),
        ] {
            page.line("left_out_total", &format!("{{why=\"{why}\"}}"), count);
        }
        let dropped = "Lines of the access log that were not written.";
        page.head("log_lines_dropped_total", "counter", dropped);
        page.line("log_lines_dropped_total", "", now.dropped);
        page.0
    }
}

#[derive(Default)]
struct PageText(String);

impl PageText {
    fn head(&mut self, name: &str, kind: &str, meaning: &str) {
        // Writing to a string does not fail.
        let _ = write!(
            self.0,
            "# HELP mp_gateway_{name} {meaning}\n# TYPE mp_gateway_{name} {kind}\n"
        );
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "mp_gateway_{name}{labels} {value}");
    }

    fn requests(&mut self, counts: &Counts) {
        let meaning = "Requests that are over, by deal and first digit of the status.";
        self.head("requests_total", "counter", meaning);
        for (deal, classes) in &counts.requests {
            let deal = deal.map_or_else(|| "none".to_owned(), |deal| deal.to_string());
            for (class, count) in classes.iter().enumerate().filter(|(_, count)| **count > 0) {
                let labels = format!("{{deal=\"{deal}\",class=\"{class}xx\"}}");
                self.line("requests_total", &labels, count);
            }
        }
    }

    fn times(&mut self, counts: &Counts) {
        let name = "answer_seconds";
        self.head(name, "histogram", "Time until an answer begins.");
        let mut sum = 0;
        let bounds = BOUNDS_US.map(|bound| (bound as f64 / 1e6).to_string());
        let bounds = bounds.into_iter().chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(counts.times) {
            sum += count;
            self.line("answer_seconds_bucket", &format!("{{le=\"{bound}\"}}"), sum);
        }
        self.line("answer_seconds_sum", "", counts.time_us as f64 / 1e6);
        self.line("answer_seconds_count", "", sum);
    }

    fn deals(&mut self, counts: &Counts, now: &Now) {
        self.head("retries_total", "counter", "Requests that were sent again.");
        for (deal, count) in &counts.retries {
            self.line("retries_total", &format!("{{deal=\"{deal}\"}}"), count);
        }
        self.head("in_flight", "gauge", "Requests under way.");
        for (deal, count, _) in &now.deals {
            self.line("in_flight", &format!("{{deal=\"{deal}\"}}"), count);
        }
        self.head(
            "workers_left_out",
            "gauge",
            "Workers that get no requests now.",
        );
        for (deal, _, out) in &now.deals {
            self.line(
                "workers_left_out",
                &format!("{{deal=\"{deal}\"}}"),
                out.len(),
            );
        }
    }
}
