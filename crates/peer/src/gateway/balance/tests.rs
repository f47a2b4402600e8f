//! Deals of a few workers, in a time that the test says.

use super::{Balancer, Most, Outcome, Refusal, Tried, draw};
use crate::gateway::tests::{route, routes};
use marketplace::units::{DealId, WorkerId};

const DEAL: DealId = DealId(7);

fn balancer(workers: u64) -> Balancer {
    let mut balancer = Balancer::new(Most {
        per_deal: 6,
        per_worker: 4,
    });
    let all = (1..=workers).map(|worker| route(DEAL.0, worker)).collect();
    balancer.route(&routes([(DEAL, all)]), 0);
    balancer
}

fn pick(balancer: &mut Balancer, now: u64, dice: [usize; 2]) -> Option<u64> {
    pick_after(balancer, &Tried::default(), now, dice)
}

fn pick_after(balancer: &mut Balancer, tried: &Tried, now: u64, dice: [usize; 2]) -> Option<u64> {
    let route = balancer.pick(DEAL, tried, now, dice);
    route.map(|route| route.worker.0)
}

/// Those that get requests, whatever the dice say.
fn picked(balancer: &mut Balancer, now: u64) -> Vec<u64> {
    picked_after(balancer, &Tried::default(), now)
}

fn picked_after(balancer: &mut Balancer, tried: &Tried, now: u64) -> Vec<u64> {
    let mut all: Vec<u64> = (0..20)
        .filter_map(|die| {
            let worker = pick_after(balancer, tried, now, [die, die / 4])?;
            balancer.done(WorkerId(worker));
            Some(worker)
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn fail(balancer: &mut Balancer, worker: u64, now: u64) -> bool {
    (0..5).any(|_| balancer.heard(WorkerId(worker), Outcome::Failed, now))
}

/// (G2)
#[test]
fn two_different_workers_are_drawn() {
    for count in 2..5 {
        for dice in 0..20 {
            let [first, second] = draw(count, [dice, dice / 3]);
            assert!(first != second && first < count && second < count);
        }
    }
    assert_eq!(draw(1, [5, 9]), [0, 0]);
}

/// (G2)
#[test]
fn of_two_the_one_with_less_to_do_gets_the_request() {
    let mut balancer = balancer(2);
    assert_eq!(pick(&mut balancer, 0, [0, 0]), Some(1));
    assert_eq!(pick(&mut balancer, 0, [0, 0]), Some(2));
    balancer.heard(WorkerId(1), Outcome::Answered(100_000), 0);
    balancer.done(WorkerId(1));
    balancer.done(WorkerId(2));
    assert_eq!(pick(&mut balancer, 0, [0, 0]), Some(2), "the faster one");
}

/// (G2)
#[test]
fn who_is_not_reached_is_left_out_at_once_and_comes_back() {
    let mut balancer = balancer(2);
    assert!(balancer.heard(WorkerId(1), Outcome::Unreached, 0));
    assert_eq!(picked(&mut balancer, 999), [2]);
    assert!(picked(&mut balancer, 1_000).contains(&1));
}

/// (G7)
#[test]
fn who_is_absent_is_looked_for_and_in_when_it_is_found() {
    let mut balancer = balancer(2);
    balancer.heard(WorkerId(1), Outcome::Unreached, 0);
    assert_eq!(*balancer.absent(1)[0], route(DEAL.0, 1));
    balancer.found(WorkerId(1));
    assert!(balancer.absent(1).is_empty());
    assert_eq!(picked(&mut balancer, 1).len(), 2);
    balancer.heard(WorkerId(2), Outcome::Unreached, 1);
    balancer.probed(&route(DEAL.0, 2).address, false, 1);
    assert!(balancer.absent(1).is_empty(), "its peer is silent");
}

/// (G2)
#[test]
fn of_those_who_fail_no_more_than_half_are_left_out() {
    for (workers, most) in [(1, 0), (2, 1), (3, 1), (4, 2)] {
        let mut balancer = balancer(workers);
        let out = (1..=workers).filter(|worker| fail(&mut balancer, *worker, 0));
        assert_eq!(out.count(), most, "of {workers}");
    }
    let mut balancer = balancer(3);
    assert!(fail(&mut balancer, 1, 0) && !fail(&mut balancer, 2, 0));
    assert!(
        balancer.heard(WorkerId(2), Outcome::Failed, 1_000),
        "when the first is back in"
    );
}

/// (G2)
#[test]
fn who_is_away_takes_no_place_among_those_who_fail() {
    let mut balancer = balancer(2);
    balancer.heard(WorkerId(1), Outcome::Unreached, 0);
    assert!(fail(&mut balancer, 2, 0));
    assert_eq!(pick(&mut balancer, 1, [0, 0]), Some(2), "it is there");
}

#[test]
fn when_none_is_reached_the_one_that_comes_back_first_is_tried() {
    let mut balancer = balancer(2);
    balancer.heard(WorkerId(2), Outcome::Unreached, 0);
    balancer.heard(WorkerId(1), Outcome::Unreached, 1);
    assert_eq!(pick(&mut balancer, 2, [0, 0]), Some(2));
    balancer.probed(&route(DEAL.0, 2).address, false, 0);
    assert_eq!(pick(&mut balancer, 2, [0, 0]), Some(1), "2 is silent");
}

/// (G7)
#[test]
fn a_probe_tells_about_all_workers_of_a_peer() {
    let mut balancer = balancer(3);
    let mut beside = route(DEAL.0, 2);
    beside.address = route(DEAL.0, 1).address;
    let all = vec![route(DEAL.0, 1), beside.clone(), route(DEAL.0, 3)];
    balancer.route(&routes([(DEAL, all)]), 0);
    assert_eq!(balancer.peers().len(), 2);
    assert_eq!(balancer.probed(&beside.address, false, 0), 2);
    assert_eq!(balancer.probed(&beside.address, false, 0), 0, "no news");
    assert_eq!(picked(&mut balancer, 0), [3]);
    assert_eq!(balancer.figures(0)[0].2, [WorkerId(1), WorkerId(2)]);
    balancer.probed(&beside.address, true, 0);
    assert_eq!(picked(&mut balancer, 0).len(), 3);
}

/// (G17)
#[test]
fn a_worker_is_lost_when_its_peer_alone_is_silent_for_long() {
    let mut balancer = balancer(2);
    let silence = |balancer: &mut Balancer, worker| {
        balancer.probed(&route(DEAL.0, worker).address, false, 900);
    };
    silence(&mut balancer, 1);
    assert_eq!(balancer.lost(1_000, 1_000), [], "it is not our deal");
    let mut ours = routes([(DEAL, vec![route(DEAL.0, 1), route(DEAL.0, 2)])]);
    ours.deals.get_mut(&DEAL).expect("it is there").is_ours = true;
    balancer.route(&ours, 0);
    silence(&mut balancer, 1);
    assert_eq!(balancer.lost(999, 1_000), []);
    assert_eq!(balancer.lost(1_000, 1_000), [WorkerId(1)]);
    assert_eq!(balancer.lost(1_999, 1_000), [], "it was said");
    assert_eq!(balancer.lost(2_000, 1_000), [WorkerId(1)]);
    silence(&mut balancer, 2);
    assert_eq!(balancer.lost(9_000, 1_000), [], "perhaps it is us");

    let served = ours.deals.get_mut(&DEAL).expect("it is there");
    served.placed = vec![route(DEAL.0, 3)];
    balancer.route(&ours, 9_000);
    assert_eq!(balancer.peers().len(), 3);
    balancer.probed(&route(DEAL.0, 2).address, true, 9_000);
    assert_eq!(
        picked(&mut balancer, 9_000),
        [2],
        "who is placed serves not yet"
    );
    silence(&mut balancer, 3);
    assert_eq!(balancer.lost(9_999, 1_000), [WorkerId(1)]);
    assert_eq!(balancer.lost(10_000, 1_000), [WorkerId(3)]);
}

/// (G4)
#[test]
fn a_worker_gets_no_more_than_its_most_and_the_rest_is_shed() {
    let mut balancer = balancer(1);
    for _ in 0..4 {
        assert_eq!(pick(&mut balancer, 0, [0, 0]), Some(1));
    }
    assert_eq!(pick(&mut balancer, 0, [0, 0]), None);
    balancer.done(WorkerId(1));
    assert_eq!(pick(&mut balancer, 0, [0, 0]), Some(1));
}

/// (G4)
#[test]
fn a_deal_has_no_more_than_its_most_under_way() {
    let mut balancer = balancer(1);
    assert_eq!(balancer.enter(DealId(8)), Err(Refusal::Unknown));
    (0..6).for_each(|_| assert_eq!(balancer.enter(DEAL), Ok(())));
    assert_eq!(balancer.enter(DEAL), Err(Refusal::Full));
    balancer.route(&routes([(DEAL, vec![route(DEAL.0, 2)])]), 0);
    assert_eq!(balancer.enter(DEAL), Err(Refusal::Full), "new routes");
    balancer.leave(DEAL);
    assert_eq!(balancer.enter(DEAL), Ok(()));
}

/// (G3)
#[test]
fn retries_end_with_their_budget_and_ten_requests_earn_another() {
    let mut balancer = balancer(1);
    let other = DealId(8);
    let one = |deal: DealId, worker| (deal, vec![route(deal.0, worker)]);
    balancer.route(&routes([one(DEAL, 1), one(other, 2)]), 0);
    assert_eq!((0..200).filter(|_| balancer.may_retry(DEAL)).count(), 100);
    assert!(balancer.may_retry(other), "the other deal has its own");
    for _ in 0..10 {
        balancer.enter(DEAL).expect("room");
        balancer.leave(DEAL);
    }
    balancer.route(&routes([one(DEAL, 1)]), 0);
    assert!(balancer.may_retry(DEAL));
    assert!(!balancer.may_retry(DEAL), "new routes are no new budget");
    assert!(!balancer.may_retry(other), "it is served no more");
}

#[test]
fn a_worker_that_comes_back_elsewhere_is_not_left_out() {
    let mut balancer = balancer(2);
    balancer.heard(WorkerId(1), Outcome::Unreached, 0);
    let mut moved = route(DEAL.0, 1);
    moved.address.endpoints = vec!["127.0.0.1:2".into()];
    balancer.route(&routes([(DEAL, vec![moved.clone(), route(DEAL.0, 2)])]), 0);
    let mut picked = (0..2).filter_map(|die| balancer.pick(DEAL, &Tried::default(), 1, [die, 0]));
    assert!(picked.any(|route| *route == moved));
}

#[test]
fn new_routes_keep_what_is_known() {
    let mut balancer = balancer(2);
    balancer.heard(WorkerId(1), Outcome::Unreached, 0);
    let all = vec![route(DEAL.0, 1), route(DEAL.0, 3)];
    balancer.route(&routes([(DEAL, all)]), 0);
    assert_eq!(pick(&mut balancer, 1, [0, 0]), Some(3));
    balancer.route(&routes([]), 0);
    assert_eq!(balancer.enter(DEAL), Err(Refusal::Unknown));
}

/// (G3, G8)
#[test]
fn whose_connection_ended_is_asked_again_before_who_is_left_out_and_but_once() {
    let mut balancer = balancer(3);
    let mut tried = Tried::default();
    tried.note(WorkerId(1), false);
    assert_eq!(picked_after(&mut balancer, &tried, 0), [2, 3]);
    balancer.heard(WorkerId(2), Outcome::Unreached, 0);
    assert_eq!(picked_after(&mut balancer, &tried, 0), [3]);
    balancer.heard(WorkerId(3), Outcome::Unreached, 0);
    assert_eq!(picked_after(&mut balancer, &tried, 0), [1]);
    tried.note(WorkerId(1), false);
    assert_eq!(picked_after(&mut balancer, &tried, 0), [2]);
}

/// (G2)
#[test]
fn a_new_worker_is_taken_to_be_as_fast_as_the_others() {
    let mut balancer = balancer(1);
    balancer.heard(WorkerId(1), Outcome::Answered(801_000), 0);
    let all = vec![route(DEAL.0, 1), route(DEAL.0, 2)];
    balancer.route(&routes([(DEAL, all)]), 0);
    let mut picks = (0..4).map(|_| pick(&mut balancer, 0, [0, 0]).expect("one"));
    assert_eq!(picks.by_ref().filter(|worker| *worker == 2).count(), 2);
}
