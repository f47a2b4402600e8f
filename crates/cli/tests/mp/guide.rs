//! A guide as a test reads it: its commands, and what it says that they print.

use std::{fs, path::PathBuf};

/// Commands of one block of a guide, and what they print: the block of text below; without one, nothing.
pub(crate) struct Step {
    pub(crate) commands: Vec<String>,
    pub(crate) prints: Option<String>,
}

/// A guide of `docs/guides`.
pub(crate) struct Guide {
    path: PathBuf,
    text: String,
}

impl Guide {
    pub(crate) fn open(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides");
        let path = folder.join(name);
        let text = fs::read_to_string(&path).expect("a guide");
        Self { path, text }
    }

    /// Its blocks of commands, each with the block of text that follows.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for part in self.text.split("\n```").collect::<Vec<_>>().chunks(2) {
            let Some((kind, block)) = part.get(1).and_then(|block| block.split_once('\n')) else {
                continue;
            };
            match (kind, steps.last_mut()) {
                ("sh", _) => steps.push(Step {
                    commands: block.lines().map(str::to_owned).collect(),
                    prints: None,
                }),
                ("text", Some(step)) if part[0].trim().is_empty() => {
                    step.prints = Some(block.to_owned());
                }
                _ => panic!("a block of {kind} that belongs to no commands: {block}"),
            }
        }
        steps
    }

    /// Compares what was printed with what it says, but for what differs from run to run. With `UPDATE_SNAPSHOTS` it is
    /// what was printed.
    pub(crate) fn compare(self, steps: &[Step], printed: &[String]) {
        let mut text = self.text;
        let mut at = 0;
        for (step, printed) in steps.iter().zip(printed) {
            let (commands, printed) = (step.commands.join("\n"), printed.trim_end());
            let Some(says) = &step.prints else {
                assert_eq!(printed, "", "the guide does not say what {commands} prints");
                continue;
            };
            let block = format!("```sh\n{commands}\n```\n\n```text\n{says}\n```");
            let found = at + text[at..].find(&block).expect("the block");
            at = found + block.len();
            if steady(says) == steady(printed) {
                continue;
            }
            assert!(
                std::env::var_os("UPDATE_SNAPSHOTS").is_some(),
                "{} says of {commands}:\n{says}\nit prints:\n{printed}\nif that is meant, UPDATE_SNAPSHOTS=1",
                self.path.display()
            );
            let now = format!("```sh\n{commands}\n```\n\n```text\n{printed}\n```");
            text.replace_range(found..at, &now);
            at = found + now.len();
        }
        if fs::read_to_string(&self.path).expect("a guide") != text {
            fs::write(&self.path, text).expect("writes");
        }
    }
}

/// The text without what differs from run to run: keys and hashes, moments and times, sizes of functions, what workers have
/// earned meanwhile, their numbers, and which of a provider's equal servers was chosen.
fn steady(text: &str) -> String {
    let lines = text.trim_end().lines().map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let mut steady: Vec<String> = Vec::new();
        for (place, word) in words.iter().enumerate() {
            let next = &words[place + 1..];
            let before = place.checked_sub(1).map(|before| words[before]);
            let word = match differs(before, word, next) {
                true => "…",
                false => word,
            };
            // One time may have more words than another: `2h 5m`, `2h 5m 10s`.
            if word != "…" || steady.last().is_none_or(|last| last != "…") {
                steady.push(word.to_owned());
            }
        }
        steady.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn differs(before: Option<&str>, word: &str, next: &[&str]) -> bool {
    let bare = word.trim_matches([',', ':', ';', '.', '(', ')']);
    let is_number = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_digit()) && text.parse::<f64>().is_ok()
    };
    let is_time = ["h", "m", "s", "ms", "days", "day"]
        .iter()
        .any(|unit| bare.strip_suffix(unit).is_some_and(is_number));
    let is_moment = bare.len() == 20 && bare.ends_with('Z') && bare.contains('T');
    let is_worker = bare
        .split_once('/')
        .is_some_and(|(deal, worker)| is_number(deal) && is_number(worker));
    let is_measured = is_number(bare)
        && matches!(
            next,
            ["s" | "ms" | "ms," | "bytes", ..] | ["USDC", "came" | "left," | "of", ..]
        );
    let is_server = ["CH", "DE", "PT", "IE"].contains(&bare) || before == Some("datacenter");
    let is_id = before == Some("worker") && is_number(bare);
    bare.starts_with("0x") || is_id || is_time || is_moment || is_worker || is_measured || is_server
}

#[test]
fn only_what_differs_from_run_to_run_is_left_out() {
    for (one, other) in [
        ("function 0xab, 10 bytes", "function 0xcd12, 999 bytes"),
        (
            "lasts 2h 5m: paid until 2026-11-26T21:03:48Z",
            "lasts 3h 5m 9s: paid until 2027-01-01T00:00:00Z",
        ),
        (
            "HTTP 200 from worker 2/3 after 1252 ms",
            "HTTP 200 from worker 2/4 after 7 ms",
        ),
        (
            "9.99 USDC came back from deal 2",
            "8 USDC came back from deal 2",
        ),
        (
            "datacenter 2, DE: 0.004 USDC",
            "datacenter 1, CH: 0.004 USDC",
        ),
    ] {
        assert_eq!(steady(one), steady(other));
    }
    for (one, other) in [
        ("worker 3: Running", "worker 3: Starting"),
        (
            "cost at most 0.02 USDC an epoch",
            "cost at most 0.03 USDC an epoch",
        ),
        ("10 USDC paid in", "11 USDC paid in"),
        ("HTTP 200 from", "HTTP 500 from"),
        ("of provider 1, DE", "of provider 2, DE"),
        ("came back from deal 2", "came back from deal 3"),
    ] {
        assert_ne!(steady(one), steady(other));
    }
}
