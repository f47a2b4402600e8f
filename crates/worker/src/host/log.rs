//! What the function logs: the latest lines in memory, for the supervisor to fetch.
//!
//! Lines come from strangers. They are bounded in length, number and rate, and their control
//! characters are escaped when they come in, so that no reader has to.

use crate::{
    bundle::Name,
    control::{LogLine, Logs, Source},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// Lines that are kept.
const LINES: usize = 1000;

/// Bytes of a line before escaping; the rest is dropped.
pub(super) const LINE_BYTES: usize = 1 << 10;

/// Lines in one reply. With escaping of the worst kind they stay below the size of a reply.
const LINES_PER_REPLY: usize = 100;

/// The log of one worker.
pub(super) struct Log {
    lines_per_second: u32,
    state: Mutex<State>,
}

/// Where one function writes, and the worker about it.
#[derive(Clone)]
pub(super) struct Logger {
    pub(super) log: Arc<Log>,
    /// None for the main function.
    pub(super) function: Option<Name>,
}

impl Logger {
    /// Adds a line, unless there were too many this second.
    pub(super) fn push(&self, source: Source, text: &[u8]) {
        self.log
            .push(self.function.as_ref(), source, text, unix_ms());
    }
}

#[derive(Default)]
struct State {
    lines: VecDeque<LogLine>,
    next: u64,
    taken: u64,
    dropped: u64,
    second: u64,
    this_second: u32,
    dropped_this_second: u64,
}

impl State {
    /// Begins another second, unless it is the same, and notes what was dropped in the last one.
    fn begin(&mut self, unix_ms: u64) {
        if self.second == unix_ms / 1000 {
            return;
        }
        self.second = unix_ms / 1000;
        self.this_second = 0;
        let dropped = std::mem::take(&mut self.dropped_this_second);
        if dropped > 0 {
            let text = format!("dropped {dropped} lines: there were too many in a second");
            self.keep(None, Source::Worker, text, unix_ms);
        }
    }

    fn keep(&mut self, function: Option<&Name>, source: Source, text: String, unix_ms: u64) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        let line = LogLine {
            number: self.next,
            unix_ms,
            function: function.map(Name::to_string),
            source,
            text,
        };
        self.lines.push_back(line);
        self.next += 1;
    }
}

impl Log {
    /// An empty log that takes so many lines each second.
    pub(super) fn new(lines_per_second: u32) -> Self {
        Self {
            lines_per_second,
            state: Mutex::default(),
        }
    }

    /// Adds a line, unless there were too many this second.
    fn push(&self, function: Option<&Name>, source: Source, text: &[u8], unix_ms: u64) {
        let mut state = self.state();
        state.begin(unix_ms);
        if state.this_second == self.lines_per_second {
            state.dropped += 1;
            state.dropped_this_second += 1;
            return;
        }
        state.this_second += 1;
        state.taken += 1;
        state.keep(function, source, printable(text), unix_ms);
    }

    /// Lines from `from` on, as many as fit into a reply.
    pub(super) fn read(&self, from: u64) -> Logs {
        self.read_at(from, unix_ms())
    }

    fn read_at(&self, from: u64, unix_ms: u64) -> Logs {
        let mut state = self.state();
        state.begin(unix_ms);
        let wanted = state.lines.iter().filter(|line| line.number >= from);
        let lines: Vec<LogLine> = wanted.take(LINES_PER_REPLY).cloned().collect();
        let next = lines.last().map_or(state.next, |line| line.number + 1);
        Logs { lines, next }
    }

    /// Lines taken, and lines dropped, since the start.
    pub(super) fn counts(&self) -> (u64, u64) {
        let state = self.state();
        (state.taken, state.dropped)
    }

    /// The state is valid between any two statements, so a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// At most [`LINE_BYTES`] of `text`, with control characters escaped.
pub(super) fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(LINE_BYTES)]);
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Milliseconds since 1970; 0 if the clock is before that.
pub(super) fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::{LINE_BYTES, LINES, LINES_PER_REPLY, Log};
    use crate::control::{MAX_REPLY_BYTES, Reply, Source};

    #[test]
    fn lines_above_the_rate_are_dropped_and_counted() {
        let log = Log::new(2);
        for _ in 0..3 {
            log.push(None, Source::Stdout, b"a", 1_000);
        }
        log.push(None, Source::Stdout, b"b", 2_000);
        assert_eq!(log.counts(), (3, 1));
        let lines = log.read_at(0, 3_000).lines;
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        let note = "dropped 1 lines: there were too many in a second";
        assert_eq!(texts, ["a", "a", note, "b"]);
    }

    #[test]
    fn what_was_dropped_is_told_even_if_nothing_follows() {
        let log = Log::new(0);
        log.push(None, Source::Stdout, b"a", 1_000);
        assert!(log.read_at(0, 1_999).lines.is_empty());
        assert!(log.read_at(0, 2_000).lines[0].text.contains("dropped"));
        assert_eq!(log.read_at(0, 3_000).lines.len(), 1, "once");
    }

    #[test]
    fn a_reader_goes_on_where_it_stopped_and_old_lines_are_forgotten() {
        let log = Log::new(u32::MAX);
        for number in 0..LINES + 5 {
            log.push(None, Source::Stderr, number.to_string().as_bytes(), 1);
        }
        let mut from = 0;
        let mut seen = Vec::new();
        while seen.len() < LINES {
            let logs = log.read(from);
            assert!(!logs.lines.is_empty());
            from = logs.next;
            seen.extend(logs.lines);
        }
        assert_eq!(seen[0].text, "5");
        assert!(log.read(from).lines.is_empty());
        assert_eq!(log.read(from).next, from);
    }

    #[test]
    fn control_characters_are_escaped_and_the_worst_reply_fits() {
        let log = Log::new(u32::MAX);
        log.push(None, Source::Stdout, b"\x1b[31mred\r\xff", 1);
        assert_eq!(log.read(0).lines[0].text, "\\u{1b}[31mred\\r\u{fffd}");
        let longest = "x".repeat(63).parse().expect("a name");
        for _ in 0..LINES_PER_REPLY {
            log.push(Some(&longest), Source::Stdout, &[0x1b; LINE_BYTES * 2], 1);
        }
        let reply = serde_json::to_vec(&Reply::Logs(log.read(1))).expect("JSON");
        assert!(reply.len() < MAX_REPLY_BYTES, "{} bytes", reply.len());
    }
}
