//! A provider commits a peer's units, delegators deposit, and everybody gets what is theirs. Nobody proves anything here:
//! epochs are so short that no unit owes enough windows to miss one.

use crate::support::{Market, amount, mp, run, text, until};
use serde_json::Value;

const PARAMETERS: [&str; 8] = [
    "epoch_seconds=6",
    "windows_per_epoch=2",
    "commit_grace_seconds=2",
    "answer_seconds=2",
    "verdict_delay_seconds=1",
    "commitments_required=1",
    "holdback_epochs=1",
    "deposit_gwei=0",
];

const SUPPLY: &str = "name = \"Alpine\"\n[[datacenters]]\ncountry = \"CH\"\ncity = \"ZRH\"\nname = \"one\"\n\
                      [[datacenters.peers]]\nkey = \"peer.json\"\nendpoints = [\"127.0.0.1:1\"]\nunits = 2\n";

/// One FLT in wei.
const FLT: u128 = 1_000_000_000_000_000_000;
/// Who owns the provider, and is the oracle.
const OWNER: &str = "owner.json";
/// Delegators.
const ALICE: &str = "alice.json";
const BOB: &str = "bob.json";

/// What a command that must fail says.
fn refused(market: &Market, who: &str, arguments: &[&str]) -> String {
    let mut command = mp();
    command.env_remove("MP_KEY").env_remove("MP_RPC");
    command.args(["--rpc", market.network.rpc(0)]);
    command.args(["--key", text(&market.path(who))]);
    let output = command.args(arguments).output().expect("mp runs");
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).expect("words")
}

/// Refused, with words and a hint.
fn refuses(market: &Market, who: &str, arguments: &[&str], words: &str) {
    let said = refused(market, who, arguments);
    let helps = said.contains(words) && said.contains("\nhint:");
    assert!(helps, "{arguments:?}: {said}");
}

/// A registered peer of two units on a network where a unit takes one FLT, and its key.
fn market() -> (Market, String) {
    let market = Market::open(1, &[OWNER, ALICE, BOB], &PARAMETERS);
    let made = run(&["key", "new", "--peer", text(&market.path("peer.json"))]);
    let peer = made["peer"].as_str().expect("a key").to_owned();
    let supply = market.write("supply.toml", SUPPLY);
    market.run(OWNER, &["provider", "register", text(&supply)]);
    let commit = ["provider", "commit", &peer, "--duration=1"];
    refuses(&market, OWNER, &commit, "price of FLT is stale");
    let price = ["params", "price", "--flt=100", "--reward=0.5"];
    refuses(&market, ALICE, &price, "may not state the price");
    let pool = market.run(OWNER, &price);
    assert_eq!(pool["price"]["fltPriceMicro"], 100_000_000);
    let pool = market.run(OWNER, &["params", "fund", "5"]);
    assert_eq!(amount(&pool["fund"]), 5 * FLT);
    (market, peer)
}

fn capacity(market: &Market) -> Value {
    market.run(OWNER, &["provider", "capacity"])[0].clone()
}

#[test]
fn until_it_is_full_a_commitment_can_be_left_and_cancelled() {
    let (market, peer) = market();
    let supply = market.path("supply.toml");
    let commit = [
        "provider",
        "commit",
        text(&supply),
        "--duration=9",
        "--share=25",
    ];
    for made in [true, false] {
        let committed = &market.run(OWNER, &commit)[0];
        let found = (&committed["id"], &committed["made"], &committed["peer"]);
        let wanted = (&1.into(), &made.into(), &peer.as_str().into());
        assert_eq!(found, wanted, "it may run twice");
        assert_eq!(committed["sharePpm"], 250_000);
    }
    let again = ["provider", "commit", &peer, "--duration=1"];
    refuses(&market, OWNER, &again, "are committed");
    let listed = market.run(ALICE, &["delegate", "list"]);
    assert_eq!(amount(&listed[0]["collateral"]["needed"]), 2 * FLT);

    let little = ["delegate", "deposit", "1", "--amount=0.1"];
    refuses(&market, ALICE, &little, "collateral, in wei");
    let deposited = market.run(ALICE, &["delegate", "deposit", "1", "--amount=0.5"]);
    assert_eq!(amount(&deposited["open"]), FLT + FLT / 2);
    let back = ["delegate", "take-back", "1"];
    refuses(&market, BOB, &back, "a delegator of the commitment");
    assert_eq!(amount(&market.run(ALICE, &back)["amount"]), FLT / 2);
    market.run(BOB, &["delegate", "deposit", "1", "--amount=1"]);
    let claim = ["delegate", "claim", "1"];
    refuses(&market, BOB, &claim, "is waiting for collateral");

    let cancel = ["provider", "cancel", "1"];
    refuses(&market, BOB, &cancel, "the provider's owner");
    let cancelled = market.run(OWNER, &cancel);
    assert_eq!(amount(&cancelled["takenBack"][0]["amount"]), FLT);
    assert_eq!(
        market.run(ALICE, &["delegate", "list"]),
        Value::Array(vec![])
    );
    refuses(&market, OWNER, &cancel, "there is no commitment 1");
}

#[test]
fn a_commitment_starts_ends_and_gives_its_collateral_back() {
    let (market, peer) = market();
    let commit = ["provider", "commit", &peer, "--duration=1", "--min-ask=0.2"];
    let committed = &market.run(OWNER, &commit)[0];
    assert_eq!(committed["status"], "waitCollateral");
    market.run(ALICE, &["delegate", "deposit", "1", "--amount=0.5"]);
    let deposited = market.run(BOB, &["delegate", "deposit", "1"]);
    let found = (amount(&deposited["amount"]), amount(&deposited["open"]));
    assert_eq!(found, (FLT + FLT / 2, 0), "all that was open");
    let back = ["delegate", "take-back", "1"];
    refuses(&market, BOB, &back, "commitment 1 is ");

    until("it is active", || {
        capacity(&market)["pledge"]["active"] == true
    });
    let seen = capacity(&market);
    assert_eq!(seen["units"][1]["state"], "proving");
    assert_eq!(seen["units"][1]["matchable"], false, "nothing was proven");
    assert_eq!(seen["commitment"]["proofs"][1]["passed"], 0);
    let early = market.run(ALICE, &["delegate", "claim", "1"]);
    assert_eq!(early[0]["paid"], Value::Array(vec![]), "nothing is due yet");
    let rewards = market.run(OWNER, &["provider", "rewards"]);
    assert_eq!(amount(&rewards[0]["rewards"]["claimable"]), 0);

    let mine = || market.run(ALICE, &["delegate", "status"])[0].clone();
    until("its collateral is due", || {
        let delegators = &mine()["delegators"];
        let due = |index: usize| amount(&delegators[index]["dueCollateral"]);
        due(0) + due(1) == 2 * FLT
    });
    let claimed = &market.run(ALICE, &["delegate", "claim"])[0];
    assert_eq!(claimed["closed"], true);
    let paid = claimed["paid"].as_array().expect("a list").iter();
    let paid: u128 = paid.map(|paid| amount(&paid["collateral"])).sum();
    assert_eq!(paid, 2 * FLT, "nobody was slashed");
    assert_eq!(
        market.run(BOB, &["delegate", "status"]),
        Value::Array(vec![])
    );
    let seen = capacity(&market);
    assert_eq!(seen["units"][0]["state"], "idle");
    assert_eq!(seen["commitment"], Value::Null);
    let pool = market.run(OWNER, &["params", "pool"]);
    assert_eq!(amount(&pool["fund"]), 5 * FLT, "nobody earned");
}

#[test]
fn a_network_without_windows_says_so() {
    let market = Market::open(1, &[OWNER], &[]);
    let peer = format!("0x{}", "11".repeat(32));
    let commit = ["provider", "commit", &peer, "--duration=1"];
    refuses(&market, OWNER, &commit, "this network has no windows");
}
