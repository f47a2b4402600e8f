//! Wherever the budget runs out, the answer is `OutOfWork` and nothing worse: no panic, no fault, no refusal that
//! a larger budget would not give.

use crate::snapshot::full;
use crate::world::{address, peer_id};
use marketplace::store::{MemoryStore, OutOfWork, Row, Store};
use marketplace::units::{DealId, ProviderId, Seconds, Usdc, WorkerId};
use marketplace::{Book, Call, Cx, Error, Origin};
use marketplace::{deal, offer, provider, worker};

/// Rows that allow so many operations.
struct Budget {
    rows: MemoryStore,
    left: u64,
}

impl Budget {
    fn spend(&mut self) -> Result<(), OutOfWork> {
        self.left = self.left.checked_sub(1).ok_or(OutOfWork)?;
        Ok(())
    }
}

impl Store for Budget {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, OutOfWork> {
        self.spend()?;
        self.rows.get(key)
    }

    fn put(&mut self, key: &[u8], row: Vec<u8>) -> Result<(), OutOfWork> {
        self.spend()?;
        self.rows.put(key, row)
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), OutOfWork> {
        self.spend()?;
        self.rows.delete(key)
    }

    fn next(&mut self, from: &[u8], to: &[u8]) -> Result<Option<Row>, OutOfWork> {
        self.spend()?;
        self.rows.next(from, to)
    }

    fn step(&mut self, _steps: u64) -> Result<(), OutOfWork> {
        self.spend()
    }
}

/// Tries with every budget from nothing on, until one suffices; gives that budget.
fn enough(
    rows: &MemoryStore,
    caller: &str,
    act: impl Fn(&mut Cx<'_, Budget>) -> Result<(), Error>,
) -> u64 {
    for budget in 0..10_000 {
        let mut store = Budget {
            rows: rows.clone(),
            left: budget,
        };
        let (mut events, mut payouts) = (Vec::new(), Vec::new());
        let origin = Origin {
            caller: address(caller),
            ..Origin::default()
        };
        let cx = Cx::open(&mut store, origin, &mut events, &mut payouts);
        match cx.and_then(|mut cx| act(&mut cx)) {
            Ok(()) => return budget,
            Err(Error::OutOfWork) => {}
            Err(error) => panic!("with a budget of {budget}: {error}"),
        }
    }
    panic!("no budget is enough");
}

#[test]
fn a_call_without_budget_is_out_of_work_and_nothing_else() {
    let rows = full().store;
    let deal = DealId(1);
    let mut found = String::new();
    for (name, caller, call) in [
        (
            "top up",
            "alice",
            Call::Deal(deal::Call::TopUp {
                deal,
                amount: Usdc(5),
            }),
        ),
        (
            "evict",
            "monitor",
            Call::Deal(deal::Call::Evict {
                worker: WorkerId(1),
            }),
        ),
        ("stop", "alice", Call::Deal(deal::Call::Stop { deal })),
        (
            "report",
            "peer",
            Call::Worker(worker::Call::Report {
                peer: peer_id("peer"),
                stopped: vec![WorkerId(1), WorkerId(2)],
            }),
        ),
        (
            "withdraw",
            "owner",
            Call::Provider(provider::Call::Withdraw {
                provider: ProviderId(1),
                workers: 9,
            }),
        ),
        (
            "set price",
            "owner",
            Call::Offer(offer::Call::SetPrice {
                offer: marketplace::units::OfferId(1),
                curve: offer::Curve::flat(marketplace::units::Price(1)),
            }),
        ),
    ] {
        let budget = enough(&rows, caller, |cx| {
            marketplace::apply(cx, call.clone()).map(|_| ())
        });
        found.push_str(&format!("{name}: {budget}\n"));
    }
    crate::snapshot::compare("operations.txt", &found);
}

#[test]
fn a_block_without_budget_is_out_of_work_and_nothing_else() {
    let rows = full().store;
    enough(&rows, "", |cx| {
        marketplace::begin_block(cx, Seconds(30), &[])
    });
    let book = || Book::rebuild(crate::world::rows(&rows));
    enough(&rows, "", |cx| marketplace::end_block(cx, &mut book()));
}
