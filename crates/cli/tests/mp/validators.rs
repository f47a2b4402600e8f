//! Four real processes with real sockets and disks: killed at random, they lose nothing that was promised.

use crate::dice::{Dice, environment};
use crate::support::Network;
use alloy_primitives::{Address, B256};
use client::{AccountKey, Client};
use marketplace::units::Flt;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const VALIDATORS: usize = 4;
const RECIPIENT: Address = Address::repeat_byte(0xbb);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_validators_at_random_loses_no_transaction_whose_receipt_was_served() {
    let mut dice = Dice::from_environment();
    let account = AccountKey::generate();
    let mut network = Network::start(VALIDATORS, &[account.address()]);
    let mut served = BTreeMap::<B256, u64>::new();
    for round in 0..environment("MP_KILLS", 5) {
        let victim = dice.below(VALIDATORS);
        let witness = (victim + 1 + dice.below(VALIDATORS - 1)) % VALIDATORS;
        let killed_after = Duration::from_millis(dice.roll() % 700);
        let client = Client::new(network.rpc(witness)).expect("a URL");
        let sending = async {
            for _ in 0..3 {
                let receipt = client.send_flt(&account, RECIPIENT, Flt(1)).await;
                let receipt = receipt.unwrap_or_else(|error| panic!("round {round}: {error}"));
                served.insert(receipt.hash, receipt.height);
            }
        };
        let killing = async {
            tokio::time::sleep(killed_after).await;
            network.kill(victim);
        };
        tokio::join!(sending, killing);
        network.restart(victim);
    }
    let head = *served.values().max().expect("some were served");
    let deadline = Instant::now() + Duration::from_secs(60);
    for index in 0..VALIDATORS {
        let client = Client::new(network.rpc(index)).expect("a URL");
        while client.height().await.is_ok_and(|height| height < head) {
            assert!(
                Instant::now() < deadline,
                "validator {index} does not catch up"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for (hash, height) in &served {
            let receipt = client.receipt(*hash).await.expect("an answer");
            let receipt = receipt.unwrap_or_else(|| panic!("validator {index} lost {hash}"));
            assert_eq!(receipt.block_number, Some(*height), "on validator {index}");
        }
        let received = client.flt(RECIPIENT).await.expect("an answer");
        assert_eq!(received, Flt(served.len() as u128), "on validator {index}");
    }
}
