//! Bodies of fuzz targets, run here on mutations of valid inputs from a seeded generator.

use std::time::{Duration, Instant};
use worker::{control, host};

/// A control message from anybody: understood the same way twice, or refused.
fn control_message(bytes: &[u8]) {
    if let Ok(request) = control::parse::<control::Request>(bytes) {
        let mut line = serde_json::to_vec(&request).expect("JSON");
        line.push(b'\n');
        assert_eq!(
            control::parse::<control::Request>(&line).expect("our own"),
            request
        );
    }
    // A supervisor reads what a process it started says.
    let _ = control::parse::<control::Reply>(bytes);
    let _ = control::parse::<control::Announcement>(bytes);
}

/// An artifact from anybody: admitted or refused in words of bounded length.
fn artifact(bytes: &[u8]) {
    if let Err(refusal) = host::interfaces(bytes) {
        assert!(refusal.detail.len() < 10_000);
    }
}

/// xorshift64*: the same inputs in every run.
struct Generator(u64);

impl Generator {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        value as usize % below.max(1)
    }

    /// Overwrites, cuts, repeats and inserts a few times.
    fn mutate(&mut self, input: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.next(4) {
            let at = self.next(bytes.len());
            match self.next(4) {
                0 if !bytes.is_empty() => bytes[at] = self.next(256) as u8,
                1 => bytes.truncate(at),
                2 => {
                    let end = at + self.next(bytes.len() - at);
                    bytes.extend_from_within(at..end);
                }
                _ => bytes.insert(at, [0, 1, 0x7f, 0x80, 0xff, b'"', b'{'][self.next(7)]),
            }
        }
        bytes
    }

    fn run(&mut self, corpus: &[Vec<u8>], body: fn(&[u8])) {
        let end = Instant::now() + Duration::from_secs(2);
        while Instant::now() < end {
            let input = &corpus[self.next(corpus.len())];
            body(&self.mutate(input));
        }
    }
}

#[test]
fn control_messages_of_any_shape_are_understood_or_refused() {
    let corpus: Vec<Vec<u8>> = [
        r#"{"request":"hello","protocol":1}"#,
        r#"{"request":"health"}"#,
        r#"{"request":"logs","from":18446744073709551615}"#,
        r#"{"request":"stop"}"#,
        r#"{"reply":"done"}"#,
        r#"{"reply":"logs","lines":[{"number":0,"unix_ms":1,"source":"stdout","text":"a"}],"next":1}"#,
        r#"{"event":"cannot_run","reason":"forbidden_import","detail":"x"}"#,
    ]
    .iter()
    .map(|line| format!("{line}\n").into_bytes())
    .collect();
    corpus.iter().for_each(|line| control_message(line));
    Generator(1).run(&corpus, control_message);
}

#[test]
fn artifacts_of_any_shape_are_admitted_or_refused() {
    let corpus: Vec<Vec<u8>> = [
        functions::HELLO,
        functions::ECHO,
        functions::hostile::TRESPASSER,
    ]
    .iter()
    .map(|bytes| bytes.to_vec())
    .collect();
    corpus.iter().for_each(|bytes| artifact(bytes));
    Generator(2).run(&corpus, artifact);
}
