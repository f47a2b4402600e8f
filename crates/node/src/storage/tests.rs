//! What is on disk comes back, whatever of it is missing.

use super::*;
use commonware_consensus::types::Height;
use commonware_runtime::{
    Runner as _, Storage as _, Supervisor as _,
    deterministic::{Context, Runner},
};
use std::collections::BTreeMap as Map;

fn genesis() -> Genesis {
    Genesis {
        chain_id: 7,
        time_ms: 0,
        parameters: Map::new(),
        governance: None,
        oracle: None,
        allocations: Map::new(),
        contracts: Map::new(),
        validators: Vec::new(),
        group_key: String::new(),
    }
}

/// What a made-up block changes: some rows, one of them new and one gone.
fn diff(height: u64) -> Diff {
    let row = |number: u64| [&[0xf0][..], &number.to_be_bytes()].concat();
    Diff::from([
        (row(0), Some(height.to_be_bytes().to_vec())),
        (row(height), Some(vec![1; 300])),
        (row(height.saturating_sub(2)), None),
    ])
}

async fn open(context: &Context, attempt: u64, indexed: Option<u64>) -> (Storage<Context>, Opened) {
    let context = context.child("node").with_attribute("attempt", attempt);
    let (first, rows) = block_zero(&genesis()).expect("a sound genesis");
    let opened = Storage::open(context, "test", (first, &rows), indexed).await;
    opened.expect("the disk works")
}

/// Appends blocks up to `to`; gives the last result.
async fn grow(storage: &mut Storage<Context>, chain: &Chain, to: u64) -> Checkpoint {
    let mut result = chain.executed();
    for height in result.height.get() + 1..=to {
        let diff = diff(height);
        result = Checkpoint {
            height: Height::new(height),
            state_root: storage.root_after(height, &diff).await.expect("a root"),
            receipts_root: Digest::from([height as u8; 32]),
        };
        let entry = Entry {
            block: Digest::from([height as u8; 32]),
            result,
            diff,
        };
        storage.append(&entry).await.expect("appends");
        let mut book = execution::state::book(&chain.rows());
        let named = Height::new(height.saturating_sub(1));
        chain.advance(result, named, &entry.diff, &mut book);
    }
    result
}

fn chain(opened: Opened) -> Chain {
    Chain::new(opened.rows, opened.results)
}

#[test]
fn a_state_that_was_closed_comes_back_with_its_root() {
    Runner::default().start(|context| async move {
        let (mut storage, opened) = open(&context, 0, None).await;
        let before = chain(opened);
        let head = grow(&mut storage, &before, 20).await;
        drop(storage);
        let (mut storage, opened) = open(&context, 1, None).await;
        let after = chain(opened);
        assert_eq!(after.executed(), head);
        assert_eq!(*after.rows(), *before.rows());
        let (first, rows) = block_zero(&genesis()).expect("a sound genesis");
        let mut other = Storage::open(context.child("other"), "other", (first, &rows), None)
            .await
            .expect("opens");
        let fresh = chain(other.1);
        assert_eq!(
            grow(&mut storage, &after, 30).await,
            grow(&mut other.0, &fresh, 30).await,
            "a state that was reopened goes on like one that never was closed"
        );
    });
}

#[test]
fn a_snapshot_cuts_the_journal_and_comes_back() {
    Runner::default().start(|context| async move {
        let (mut storage, opened) = open(&context, 0, None).await;
        let before = chain(opened);
        grow(&mut storage, &before, 300).await;
        storage.snapshot(&before, 300).await.expect("writes");
        let head = grow(&mut storage, &before, 310).await;
        assert!(storage.journal.heights().0 > 1, "whole sections were cut");
        drop(storage);
        let (_, opened) = open(&context, 1, None).await;
        let after = chain(opened);
        assert_eq!(after.executed(), head);
        assert_eq!(*after.rows(), *before.rows());
    });
}

#[test]
fn a_torn_snapshot_is_passed_over() {
    Runner::default().start(|context| async move {
        let (mut storage, opened) = open(&context, 0, None).await;
        let before = chain(opened);
        let head = grow(&mut storage, &before, 10).await;
        let torn = snapshot::encode(&before.rows());
        let half = torn[..torn.len() / 2].to_vec();
        storage.snapshots.write(10, half).await.expect("writes");
        drop(storage);
        let (_, opened) = open(&context, 1, None).await;
        assert_eq!(chain(opened).executed(), head);
    });
}

#[test]
fn a_lost_root_is_built_again_from_the_journal_or_else_from_blocks() {
    Runner::default().start(|context| async move {
        let (mut storage, opened) = open(&context, 0, None).await;
        let before = chain(opened);
        let head = grow(&mut storage, &before, 300).await;
        storage.root.destroy().await.expect("destroys");
        drop((storage.journal, storage.snapshots));
        let (mut storage, opened) = open(&context, 1, None).await;
        let after = chain(opened);
        assert_eq!(after.executed(), head, "the whole journal was there");

        storage.snapshot(&after, 300).await.expect("writes");
        storage.root.destroy().await.expect("destroys");
        drop((storage.journal, storage.snapshots));
        let (_, opened) = open(&context, 2, None).await;
        let again = chain(opened);
        assert_eq!(
            again.executed().height.get(),
            0,
            "blocks are executed again"
        );
    });
}

#[test]
fn an_index_that_ends_below_the_state_has_blocks_executed_again() {
    Runner::default().start(|context| async move {
        let (mut storage, opened) = open(&context, 0, Some(0)).await;
        grow(&mut storage, &chain(opened), 5).await;
        drop(storage);
        let (storage, opened) = open(&context, 1, Some(5)).await;
        assert_eq!(chain(opened).executed().height.get(), 5);
        drop(storage);
        let (_, opened) = open(&context, 2, Some(4)).await;
        assert_eq!(chain(opened).executed().height.get(), 0);
        let left = context.scan("test-snapshots").await;
        assert!(left.is_err() || left.is_ok_and(|names| names.is_empty()));
    });
}
