//! What a run does and how often: each run draws its own weights, some of them zero, so that each call meets states
//! that are rare where all calls are as likely as ever (swarm testing).

use super::{Made, Run};
use crate::dice::Dice;

/// A call that runs make.
pub(super) struct Kind {
    /// Its name in `crate::calls`.
    pub(super) name: &'static str,
    /// How often it is made, beside the others, before a run draws how often it makes it.
    usual: u64,
    pub(super) make: fn(&mut Run) -> Made,
}

const fn kind(name: &'static str, usual: u64, make: fn(&mut Run) -> Made) -> Kind {
    Kind { name, usual, make }
}

/// One row for each call, in the order of `crate::calls`.
pub(super) const KINDS: &[Kind] = &[
    kind("usdc transfer", 2, Run::transfer),
    kind("usdc approve", 2, Run::approve),
    kind("usdc transfer-from", 2, Run::transfer_from),
    kind("usdc faucet", 1, Run::faucet),
    kind("governance propose", 1, Run::propose),
    kind("governance cancel", 1, Run::cancel),
    kind("provider register", 1, Run::register_provider),
    kind("provider update", 1, Run::update_provider),
    kind("provider transfer", 1, Run::transfer_provider),
    kind("provider accept", 1, Run::accept_provider),
    kind("provider admit", 1, Run::admit_provider),
    kind("provider remove", 1, Run::remove_provider),
    kind("provider withdraw", 8, Run::withdraw),
    kind("datacenter register", 2, Run::register_datacenter),
    kind("datacenter remove", 1, Run::remove_datacenter),
    kind("peer register", 4, Run::register_peer),
    kind("peer set-endpoints", 1, Run::set_endpoints),
    kind("peer set-operator", 1, Run::set_operator),
    kind("peer set-attributes", 2, Run::set_attributes),
    kind("peer add-units", 2, Run::add_units),
    kind("peer remove-units", 2, Run::remove_units),
    kind("peer remove", 2, Run::remove_peer),
    kind("offer post", 6, Run::post_offer),
    kind("offer set-price", 3, Run::set_price),
    kind("offer set-terms", 2, Run::set_terms),
    kind("offer add-peer", 3, Run::add_peer_to_offer),
    kind("offer remove-peer", 2, Run::remove_peer_from_offer),
    kind("offer close", 1, Run::close_offer),
    kind("demand post", 14, Run::post_demand),
    kind("deal top-up", 8, Run::top_up),
    kind("deal withdraw-surplus", 4, Run::withdraw_surplus),
    kind("deal evict", 3, Run::evict),
    kind("deal stop", 3, Run::stop),
    kind("deal remove", 3, Run::remove_deal),
    kind("change terms", 10, Run::change_terms),
    kind("change offer", 2, Run::offer_deal),
    kind("change accept", 2, Run::accept_deal),
    kind("worker running", 24, Run::running),
    kind("worker cannot-run", 2, Run::cannot_run),
    kind("worker report", 28, Run::report),
    kind("worker give-notice", 3, Run::give_notice),
    kind("worker give-notice-of-all", 1, Run::give_notice_of_all),
    kind("worker leave", 1, Run::leave_deal),
    kind("commitment create", 6, Run::commit_units),
    kind("commitment deposit", 6, Run::stake),
    kind("commitment take-back", 1, Run::take_stake_back),
    kind("commitment cancel", 1, Run::cancel_commitment),
    kind("commitment claim", 6, Run::claim),
    kind("window commit", 16, Run::commit_window),
    kind("audit answer", 8, Run::answer_audit),
    kind("pool fund", 2, Run::fund),
    kind("pool set-price", 3, Run::set_flt_price),
];

/// The weights of one run.
pub(super) struct Swarm {
    /// By kind.
    weights: Vec<u64>,
    /// One step in so many ends a block.
    block: usize,
    /// Seconds between blocks, each as likely.
    elapsed: Vec<u64>,
}

impl Swarm {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let mut weights: Vec<_> = KINDS
            .iter()
            .map(|kind| kind.usual * dice.of(&[0, 1, 2, 2, 4, 8]))
            .collect();
        if weights.iter().all(|weight| *weight == 0) {
            weights.fill(1);
        }
        Self {
            weights,
            block: dice.of(&[3, 6, 6, 12, 30]),
            elapsed: dice.of(&[
                vec![0, 1, 1, 2],
                vec![0, 1, 1, 2, 5, 5, 13, 90],
                vec![0, 1, 5, 20, 60, 60],
            ]),
        }
    }

    pub(super) fn ends_block(&self, dice: &mut Dice) -> bool {
        dice.one_in(self.block)
    }

    pub(super) fn elapsed(&self, dice: &mut Dice) -> u64 {
        dice.of(&self.elapsed)
    }

    /// Where there are no windows, what is about them is seldom made: all of it is refused.
    pub(super) fn without_windows(&mut self) {
        let first = KINDS
            .iter()
            .position(|kind| kind.name == "commitment create");
        for weight in self.weights.iter_mut().skip(first.expect("a kind")) {
            *weight = (*weight).min(1);
        }
    }

    /// Blocks come as often as windows need them.
    pub(super) fn hurry(&mut self, dice: &mut Dice) {
        self.block = dice.of(&[2, 4, 6]);
        self.elapsed = dice.of(&[vec![0, 1, 1, 2], vec![1, 1, 2, 3], vec![1, 2, 3, 5, 30]]);
    }

    /// The kind that the next call has.
    pub(super) fn kind(&self, dice: &mut Dice) -> usize {
        let mut at = dice.roll() % self.weights.iter().sum::<u64>();
        for (kind, weight) in self.weights.iter().enumerate() {
            match at.checked_sub(*weight) {
                Some(rest) => at = rest,
                None => return kind,
            }
        }
        unreachable!("below the sum of all weights")
    }
}

#[test]
fn every_call_is_made_by_random_runs() {
    let made: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(
        made,
        crate::calls::NAMES,
        "a row for each call, in the order of `calls`"
    );
}
