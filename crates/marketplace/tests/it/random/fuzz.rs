//! The runs of the test suite.
//!
//! `MP_STEPS` says how many steps they make in all, `MP_SEED` repeats a run: run *n* of a seed is the first of seed + *n*
//! (see `tests/dice.rs`).

use super::{Run, Tally};
use crate::dice::{Dice, Fuzz, environment};
use crate::world::address;
use marketplace::Params;

/// Short times, so that a run sees much; and epochs of which it sees many, a few or not one. In two of three runs units
/// prove themselves, in one of three only those are matched.
fn params(dice: &mut Dice) -> Params {
    let (epoch_seconds, windows_per_epoch) =
        dice.of(&[(61, 0), (997, 0), (86_400, 0), (60, 6), (120, 6), (60, 3)]);
    Params {
        epoch_seconds,
        windows_per_epoch,
        commitments_required: if windows_per_epoch > 0 {
            dice.of(&[0, 1])
        } else {
            0
        },
        oracle: address("oracle"),
        commit_grace_seconds: 8,
        answer_seconds: 9,
        verdict_delay_seconds: 4,
        open_commitment_epochs: 1,
        collateral_usd_micro: 1_000,
        collateral_wait_epochs: 2,
        min_owed_windows: 2,
        missed_ppm: 123_456,
        no_answer_ppm: dice.of(&[50_000, 400_000]),
        max_failed_per_unit: dice.of(&[1, 3, 10]),
        holdback_epochs: dice.of(&[1, 2]),
        vesting_epochs: 3,
        cool_down_epochs: 1,
        audit_budget: dice.of(&[1, 4, 100]),
        flag_windows: 2,
        pool_floor_gwei: 1,
        pool_cap_gwei: 1_000_000,
        reward_cap_ppm: dice.of(&[0, 2_000_000]),
        max_step_seconds: 60,
        min_prepaid_epochs: 1,
        min_charge_seconds: 20,
        start_timeout_seconds: 30,
        lease_seconds: 80,
        exclude_epochs: 1,
        max_replacements_per_epoch: 5,
        pause_epochs: 1,
        max_target_workers: 6,
        max_hold_seconds: 100,
        hold_ppm: 123_457,
        fee_ppm: dice.of(&[0, 12_345, 200_000]),
        look_budget: 40,
        faucet_usdc: 1_000_000,
        removal_epochs: 1,
        governance: address("governance"),
        governance_delay_seconds: dice.of(&[0, 40]),
        ..Params::without_commitments()
    }
}

/// Anybody may always do this.
const NEVER_REFUSED: &[&str] = &["usdc approve"];

/// Makes runs until they have made so many steps and the time of fuzz tests is over. Gives what they did.
fn run_all(params: impl Fn(&mut Dice) -> Params, steps: u64) -> Tally {
    let seed: u64 = environment("MP_SEED", 1);
    let fuzz = Fuzz::begin();
    let (mut tally, mut done) = (Tally::new(), 0);
    for number in 0.. {
        if done >= steps && fuzz.is_over() {
            break;
        }
        let seed = seed.wrapping_add(number);
        println!("run {number}, after {done} steps: MP_SEED={seed}");
        let mut dice = Dice::new(seed);
        let length = dice.of(&[300, 1_000, 3_000]);
        let mut run = Run::new(params(&mut dice), dice);
        for _ in 0..length {
            run.step();
        }
        done += length;
        run.world.check_all();
        run.leave();
        for (name, (accepted, refused)) in run.tally {
            let sum = tally.entry(name).or_default();
            *sum = (sum.0 + accepted, sum.1 + refused);
        }
    }
    tally
}

#[test]
fn random_calls_keep_every_promise() {
    let tally = run_all(params, environment("MP_STEPS", 20_000));
    let (mut accepted, mut refused) = (0, 0);
    for name in crate::calls::NAMES {
        let (yes, no) = tally.get(name).copied().unwrap_or_default();
        println!("{name}: {yes} accepted, {no} refused");
        let enough = yes > 0 && (no > 0 || NEVER_REFUSED.contains(name));
        assert!(enough, "{name}: {yes} accepted, {no} refused");
        (accepted, refused) = (accepted + yes, refused + no);
    }
    println!("{accepted} accepted, {refused} refused");
    let all = accepted + refused;
    assert!(
        accepted * 5 > all * 2 && refused * 5 > all * 2,
        "about half of each"
    );
}

/// With a clock that brings one deal up in each half of a block, events come late, and nothing else changes.
#[test]
fn random_calls_with_a_drained_clock_keep_every_invariant() {
    let drained = |dice: &mut Dice| Params {
        due_budget: 1,
        clearing_budget: 10,
        ..params(dice)
    };
    run_all(drained, 2_000);
}
