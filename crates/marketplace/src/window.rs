//! Windows: the spans of time in each of which an idle unit proves itself, their challenges, and what peers commit to.
//!
//! ```text
//! window begins -> challenge (two blocks later) -> its units compute -> end -> commit_grace_seconds: closed
//!   -> drawn (two blocks later) -> answers -> verdicts -> it counts, at its own verdict time
//! ```
//! Promises (`docs/spec/commitment.md`):
//! - V1: a window's challenge is the beacon of the second block after its first, so nobody knew it before; one whose
//!   challenge comes later than `commit_grace_seconds` after its beginning is void: nobody owes it.
//! - V2: a peer commits once to a window, from its challenge on until `commit_grace_seconds` after its end.
//! - V3: a window counts at its verdict time, a fixed distance after its end, and in the epoch in which that lies.
//! - V4: the first window of an epoch is owed by nobody: units build their datasets.
//! - V5: a cache key holds for `key_epochs` and is drawn at least two windows before.

use crate::audit;
use crate::call::Reply;
use crate::commitment::{self, CommitmentNow};
use crate::cx::Cx;
use crate::limits::MAX_UNITS;
use crate::params::Params;
use crate::peer;
use crate::refusal::{Error, Object, Refusal, ensure, long};
use crate::store::Store;
use crate::table::Table;
use crate::units::{CommitmentId, Epoch, Hash, PeerId, Seconds, Time};
use borsh::{BorshDeserialize, BorshSerialize};

/// A window that has begun.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first block.
    pub begun: u64,
    /// What its units compute on; None: not known yet, or it is void.
    pub challenge: Option<[u8; 32]>,
    /// How many windows before it could be owed, since genesis.
    pub owed_before: u64,
    /// Units that peers committed to have computed it.
    pub entries: u64,
    /// Peers under a flag that committed.
    pub flagged: u64,
    /// The first block after its last commit; None: it is open.
    pub closed: Option<u64>,
}

/// What a peer committed to.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Under which commitment.
    pub commitment: CommitmentId,
    /// Root over the roots of its units.
    pub root: Hash,
    /// How many entries other peers made before.
    pub before: u64,
    /// Indices of the units whose roots are in it, ascending.
    pub seats: Vec<u16>,
    /// Of those, the ones that count: they did not serve.
    pub units: Vec<u16>,
}

/// How far windows have come.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Windows below have begun, or were skipped.
    pub begun: u64,
    /// Windows below have been drawn.
    pub drawn: u64,
    /// Windows below have no rows any more.
    pub forgotten: u64,
    /// Second audits that were drawn since the last draw: they count in the next.
    pub second_audits: u64,
}

/// Windows by number, the first of genesis being 0; as long as somebody may have to count them.
pub const WINDOWS: Table<u64, Window> = Table::new(0x40, "windows");
/// Cache keys by key period.
pub const KEYS: Table<u64, [u8; 32]> = Table::new(0x41, "keys");
/// What peers committed to, until it counted.
pub const COMMITTED: Table<(u64, PeerId), Committed> = Table::new(0x42, "committed");
/// The peer whose entries end before that number, by window and number: where a draw finds who it hit.
pub const ENTRIES: Table<(u64, u64), PeerId> = Table::new(0x43, "entries");
/// Peers under a flag that committed, by window and in their order.
pub const FLAGGED: Table<(u64, u64), PeerId> = Table::new(0x44, "flagged");
/// The one row of progress.
pub const PROGRESS: Table<(), Progress> = Table::new(0x45, "window_progress");

/// Calls about windows, made by the operator key of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The peer commits to what its units computed in a window.
    Commit {
        /// Which peer.
        peer: PeerId,
        /// Which window.
        window: u64,
        /// Root over the roots of its units.
        root: Hash,
        /// Indices of the units, ascending.
        units: Vec<u16>,
    },
}

/// What happens to windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A window has its challenge.
    Opened {
        /// Which.
        window: u64,
        /// What its units compute on.
        challenge: [u8; 32],
    },
    /// A key period has its cache key.
    KeyDrawn {
        /// Which period.
        period: u64,
        /// The key.
        key: [u8; 32],
    },
    /// A peer committed.
    Committed {
        /// Which peer.
        peer: PeerId,
        /// Which window.
        window: u64,
        /// Under which commitment.
        commitment: CommitmentId,
        /// How many units.
        units: u16,
    },
}

impl Params {
    /// Length of a window.
    #[must_use]
    pub fn window(&self) -> Seconds {
        let length = self.epoch_seconds.checked_div(self.windows_per_epoch);
        Seconds(length.unwrap_or(0))
    }

    /// From the end of a window until it counts.
    #[must_use]
    pub fn window_over(&self) -> Seconds {
        let answered = self
            .commit_grace_seconds
            .saturating_add(self.answer_seconds);
        Seconds(answered.saturating_add(self.verdict_delay_seconds))
    }

    /// The window that a time lies in; None on a network without windows.
    #[must_use]
    pub fn window_at(&self, at: Time) -> Option<u64> {
        at.0.checked_div(self.window().0)
    }

    /// When a window begins.
    #[must_use]
    pub fn window_begins(&self, window: u64) -> Time {
        Time(window.saturating_mul(self.window().0))
    }

    /// When a window ends: the second in which the next begins.
    #[must_use]
    pub fn window_ends(&self, window: u64) -> Time {
        self.window_begins(window.saturating_add(1))
    }

    /// Last second at which a peer may commit to a window.
    #[must_use]
    pub fn commit_by(&self, window: u64) -> Time {
        self.window_ends(window)
            .after(Seconds(self.commit_grace_seconds))
    }

    /// When a window counts. (V3)
    #[must_use]
    pub fn verdict_time(&self, window: u64) -> Time {
        self.window_ends(window).after(self.window_over())
    }

    /// The epoch in which a window counts. (V3)
    #[must_use]
    pub fn counts_in(&self, window: u64) -> Epoch {
        self.verdict_time(window).epoch(self.epoch())
    }

    /// The first window that counts in an epoch, or later.
    #[must_use]
    pub fn first_counted(&self, epoch: Epoch) -> u64 {
        let begins = self.epoch_begins(epoch).before(self.window_over());
        let ends = begins.0.div_ceil(self.window().0.max(1));
        ends.saturating_sub(1)
    }

    /// When an epoch begins.
    #[must_use]
    pub fn epoch_begins(&self, epoch: Epoch) -> Time {
        let before = epoch.0.saturating_sub(1);
        Time(before.saturating_mul(self.epoch_seconds))
    }

    /// The first window that begins in an epoch.
    #[must_use]
    pub fn first_window(&self, epoch: Epoch) -> u64 {
        let before = epoch.0.saturating_sub(1);
        before.saturating_mul(self.windows_per_epoch)
    }

    /// The epoch in which a window begins.
    #[must_use]
    pub fn epoch_of_window(&self, window: u64) -> Epoch {
        self.window_begins(window).epoch(self.epoch())
    }

    /// Whether a window is the first of an epoch. (V4)
    #[must_use]
    pub fn builds(&self, window: u64) -> bool {
        window.checked_rem(self.windows_per_epoch) == Some(0)
    }

    /// The key period of a window. (V5)
    #[must_use]
    pub fn key_period(&self, window: u64) -> u64 {
        let epochs = window.checked_div(self.windows_per_epoch).unwrap_or(0);
        epochs.checked_div(self.key_epochs).unwrap_or(0)
    }
}

/// A value of its own, for one purpose, from one beacon.
pub(crate) fn derive(purpose: &str, chain_id: u64, number: u64, beacon: &[u8; 32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    hasher.update(&chain_id.to_be_bytes());
    hasher.update(&number.to_be_bytes());
    hasher.update(beacon);
    hasher.finalize().into()
}

/// Windows between a key's draw and its first use.
const KEY_LEAD: u64 = 3;
/// Blocks between what asks for a beacon and the one that carries it: nobody knew it when the first was fixed.
const BEACON_LAG: u64 = 2;

/// What a block's time and beacon do to windows: they begin, get their challenge, are closed and drawn.
pub(crate) fn step<S: Store>(cx: &mut Cx<'_, S>) -> Result<(), Error> {
    let Some(current) = cx.params.window_at(cx.now()) else {
        return Ok(());
    };
    let mut progress = PROGRESS.get(cx.store, &())?.unwrap_or_default();
    let before = progress;
    challenge(cx, progress.begun)?;
    if progress.begun <= current {
        begin(cx, progress.begun, current)?;
        progress.begun = current.saturating_add(1);
    }
    draw(cx, &mut progress)?;
    forget(cx, &mut progress)?;
    if progress != before {
        PROGRESS.put(cx.store, &(), &progress)?;
    }
    Ok(())
}

/// Begins a window; those between `next` and it are passed over: no block lay in them.
fn begin<S: Store>(cx: &mut Cx<'_, S>, next: u64, window: u64) -> Result<(), Error> {
    let owed_before = match next.checked_sub(1) {
        None => 0,
        Some(last) => {
            let row = WINDOWS.must(cx.store, &last)?;
            let counts = owable(&cx.params, last, &row);
            row.owed_before.saturating_add(counts.into())
        }
    };
    let row = Window {
        begun: cx.clock.block,
        challenge: None,
        owed_before,
        entries: 0,
        flagged: 0,
        closed: None,
    };
    WINDOWS.put(cx.store, &window, &row)
}

/// Whether a window can be owed, and committed to. (V1, V4)
#[must_use]
pub fn owable(params: &Params, window: u64, row: &Window) -> bool {
    row.challenge.is_some() && !params.builds(window)
}

/// Gives the newest window its challenge, in its time, and the next key period its key. (V1, V5)
fn challenge<S: Store>(cx: &mut Cx<'_, S>, begun: u64) -> Result<(), Error> {
    let Some(window) = begun.checked_sub(1) else {
        return Ok(());
    };
    let mut row = WINDOWS.must(cx.store, &window)?;
    let grace = Seconds(cx.params.commit_grace_seconds);
    let latest = cx.params.window_begins(window).after(grace);
    let asked = row.begun.saturating_add(BEACON_LAG);
    if cx.clock.block != asked || cx.now() > latest {
        return Ok(());
    }
    let (chain, beacon) = (cx.params.chain_id, cx.origin.beacon);
    let challenge = derive("marketplace+ window challenge 1", chain, window, &beacon);
    row.challenge = Some(challenge);
    WINDOWS.put(cx.store, &window, &row)?;
    cx.emit(Event::Opened { window, challenge });
    let period = cx.params.key_period(window.saturating_add(KEY_LEAD));
    for period in [cx.params.key_period(window), period] {
        if KEYS.get(cx.store, &period)?.is_none() {
            let key = derive("marketplace+ cache key 1", chain, period, &beacon);
            KEYS.put(cx.store, &period, &key)?;
            cx.emit(Event::KeyDrawn { period, key });
        }
    }
    Ok(())
}

/// Closes windows whose last commit is over, and draws their audits two blocks later.
fn draw<S: Store>(cx: &mut Cx<'_, S>, progress: &mut Progress) -> Result<(), Error> {
    loop {
        let from = progress.drawn;
        let Some((window, mut row)) = WINDOWS.first(cx.store, &(), Some(&from))? else {
            return Ok(());
        };
        if cx.params.commit_by(window) >= cx.now() {
            return Ok(());
        }
        match row.closed {
            None => {
                row.closed = Some(cx.clock.block);
                WINDOWS.put(cx.store, &window, &row)?;
                return Ok(());
            }
            Some(block) if cx.clock.block < block.saturating_add(BEACON_LAG) => return Ok(()),
            Some(_) => {
                let spent = std::mem::take(&mut progress.second_audits);
                audit::draw(cx, window, &row, spent)?;
                progress.drawn = window.saturating_add(1);
            }
        }
    }
}

/// Drops rows of windows and keys that nobody counts any more; a few in each block.
fn forget<S: Store>(cx: &mut Cx<'_, S>, progress: &mut Progress) -> Result<(), Error> {
    const MOST: u64 = 4;
    let kept = cx.params.first_counted(cx.clock.closed);
    for _ in 0..MOST {
        let window = progress.forgotten;
        if window.saturating_add(1) >= kept.min(progress.drawn) {
            return Ok(());
        }
        WINDOWS.delete(cx.store, &window)?;
        let period = cx.params.key_period(window);
        if period < cx.params.key_period(kept) {
            KEYS.delete(cx.store, &period)?;
        }
        progress.forgotten = window.saturating_add(1);
    }
    Ok(())
}

/// How many of the windows from `from` on and before `to`, which has begun, are owed by a unit that proves.
pub(crate) fn owed<S: Store>(store: &mut S, from: u64, to: u64) -> Result<u64, Error> {
    if from >= to {
        return Ok(0);
    }
    Ok(owed_before(store, to)?.saturating_sub(owed_before(store, from)?))
}

/// How many windows before this one could be owed; one that was passed over stands for the next that began.
fn owed_before<S: Store>(store: &mut S, window: u64) -> Result<u64, Error> {
    let row = WINDOWS.first(store, &(), Some(&window))?;
    Ok(row.map_or(0, |(_, row)| row.owed_before))
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    match call {
        Call::Commit {
            peer,
            window,
            root,
            units,
        } => commit(cx, peer, window, root, units),
    }?;
    Ok(Reply::Done)
}

fn commit<S: Store>(
    cx: &mut Cx<'_, S>,
    peer: PeerId,
    window: u64,
    root: Hash,
    units: Vec<u16>,
) -> Result<(), Error> {
    peer::operated(cx, peer)?;
    let row = WINDOWS.get(cx.store, &window)?;
    let mut row = row.ok_or(Refusal::WrongWindow { window })?;
    let open = owable(&cx.params, window, &row) && cx.now() <= cx.params.commit_by(window);
    ensure(open, Refusal::WrongWindow { window })?;
    let again = COMMITTED.get(cx.store, &(window, peer))?.is_some();
    ensure(!again, Refusal::CommittedAlready { peer, window })?;
    let ascending = units.is_sorted_by(|a, b| a < b);
    let what = "units: ascending indices";
    ensure(ascending, Refusal::Malformed { what })?;
    long("units in a commit", units.len(), 1, MAX_UNITS.into())?;

    let id = commitment::of_window(cx, peer, window)?;
    let id = id.ok_or(Refusal::NotCommitted(peer))?;
    let mut now = CommitmentNow::load(cx, id)?;
    let known = units.last().is_none_or(|last| *last < now.commitment.units);
    ensure(known, Refusal::Unknown(Object::Peer(peer)))?;
    let seats = units;
    let units = now.enter(window, &seats)?;
    let count = u64::try_from(units.len()).unwrap_or(u64::MAX);
    // More of them than the budget could not be audited.
    if now.take_flag() && row.flagged < cx.params.audit_budget {
        FLAGGED.put(cx.store, &(window, row.flagged), &peer)?;
        row.flagged = row.flagged.saturating_add(1);
    }
    now.save(cx)?;
    let before = row.entries;
    row.entries = before.saturating_add(count);
    WINDOWS.put(cx.store, &window, &row)?;
    ENTRIES.put(cx.store, &(window, row.entries), &peer)?;
    let number = u16::try_from(count).unwrap_or(u16::MAX);
    let committed = Committed {
        commitment: id,
        root,
        before,
        seats,
        units,
    };
    COMMITTED.put(cx.store, &(window, peer), &committed)?;
    cx.emit(Event::Committed {
        peer,
        window,
        commitment: id,
        units: number,
    });
    Ok(())
}

/// Drops what a peer committed to for a window that counted.
pub(crate) fn drop_committed<S: Store>(
    store: &mut S,
    window: u64,
    peer: PeerId,
) -> Result<(), Error> {
    let Some(row) = COMMITTED.get(store, &(window, peer))? else {
        return Ok(());
    };
    COMMITTED.delete(store, &(window, peer))?;
    let entries = u64::try_from(row.units.len()).unwrap_or(u64::MAX);
    ENTRIES.delete(store, &(window, row.before.saturating_add(entries)))
}

/// The newest window, and the key of its period.
///
/// # Errors
/// Out of work.
pub fn newest<S: Store>(store: &mut S) -> Result<Option<(u64, Window)>, Error> {
    let progress = PROGRESS.get(store, &())?.unwrap_or_default();
    let Some(window) = progress.begun.checked_sub(1) else {
        return Ok(None);
    };
    Ok(WINDOWS.get(store, &window)?.map(|row| (window, row)))
}

/// The cache key of a key period, if it was drawn and may still be needed.
///
/// # Errors
/// Out of work.
pub fn key<S: Store>(store: &mut S, period: u64) -> Result<Option<[u8; 32]>, Error> {
    KEYS.get(store, &period)
}
