//! Tables: one line is a time in seconds, an event, and the actions that follow.
//!
//! A worker is written `1:a@0,1`: worker 1 runs artifact `a` on units 0 and 1. In a view, `+` says
//! that the chain knows that it runs, `~` that its deal is paused; `1:a>b@0+` runs `a` and is to run `b`.

mod fuzz;
mod text;

use super::Settings;
use text::{check, check_with, settings};

/// (P1)
#[test]
fn nothing_is_done_before_inventory_and_view_are_known() {
    check(
        "
        0 view 1:a@0        |
        0 tick              |
        1 inventory         | fetch a
        ",
    );
}

/// (P3, P5, P7)
#[test]
fn a_worker_is_fetched_started_and_reported() {
    check(
        "
        0 inventory         |
        0 view 1:a@0        | fetch a
        1 view 1:a@0        |
        2 fetched a ok      | start 1:a@0
        3 tick              |
        4 started 1 ok      | running 1:a
        5 view 1:a@0        |
        6 view 1:a@0+       | report
        7 reported ok       |
        ",
    );
}

/// (P1, D1)
#[test]
fn a_restarted_peer_adopts_what_runs() {
    check(
        "
        0 inventory 1:a@0 2:b@1 have a b    |
        0 view 1:a@0+ 2:b@1                 | running 2:b; report
        1 reported ok                       |
        ",
    );
}

/// (P2, P8)
#[test]
fn what_the_chain_does_not_want_is_stopped_and_its_bytes_discarded() {
    check(
        "
        0 inventory 1:a@0 have a b  |
        0 view                      | stop 1; discard b
        1 tick                      |
        2 ended 1                   | discard a
        ",
    );
}

/// (P3, P4)
#[test]
fn a_unit_has_one_worker_at_a_time() {
    check(
        "
        0 inventory 1:a@0,1 have a  |
        0 view 2:a@1,2 3:a@2        | stop 1; start 3:a@2
        1 ended 1                   |
        2 started 3 ok              | running 3:a
        3 view 2:a@1,2              | stop 3
        4 ended 3                   | start 2:a@1,2
        ",
    );
}

/// (P2)
#[test]
fn a_worker_with_another_artifact_is_replaced() {
    check(
        "
        0 inventory 1:a@0 have a    |
        0 view 1:b@0+               | stop 1; report
        2 ended 1                   | discard a; fetch b
        3 fetched b ok              | start 1:b@0
        ",
    );
}

/// (P5, P6)
#[test]
fn bytes_that_nobody_gives_are_reported_after_all_attempts() {
    check(
        "
        0   inventory           |
        0   view 1:a@0          | fetch a
        1   fetched a trouble   |
        2   tick                | fetch a
        3   fetched a trouble   |
        4   tick                | fetch a
        5   fetched a trouble   | cannot-run 1:a unavailable
        14  tick                |
        15  tick                | cannot-run 1:a unavailable
        16  view                | discard a
        17  view 2:a@0          | fetch a
        ",
    );
}

/// (P8)
#[test]
fn bytes_of_whose_coming_no_word_was_heard_are_discarded_too() {
    check(
        "
        0   inventory           |
        0   view 1:a@0          | fetch a
        120 tick                | fetch a
        121 fetched a trouble   |
        122 view                | discard a
        ",
    );
}

/// (P5, P6)
#[test]
fn what_no_peer_can_run_is_reported_at_once() {
    check(
        "
        0 inventory have a          |
        0 view 1:a@0 2:b@1          | start 1:a@0; fetch b
        1 started 1 unsupported     | cannot-run 1:a unsupported
        2 fetched b invalid         | cannot-run 2:b invalid
        ",
    );
}

/// (P8)
#[test]
fn bytes_that_no_worker_needs_are_kept_for_a_while_the_newest_of_them() {
    let settings = Settings {
        retain_ms: 100_000,
        retain: 2,
        ..settings()
    };
    check_with(
        settings,
        "
        0   inventory 1:a@0 have a b  |
        0   view                      | stop 1
        2   ended 1                   |
        10  view 2:a@0                | start 2:a@0
        11  started 2 ok              | running 2:a
        12  view                      | stop 2
        20  ended 2                   |
        99  tick                      |
        100 tick                      | discard b
        119 tick                      |
        120 tick                      | discard a
        ",
    );
}

/// (P8)
#[test]
fn of_many_artifacts_that_no_worker_needs_the_oldest_goes() {
    let settings = Settings {
        retain_ms: 100_000,
        retain: 2,
        ..settings()
    };
    check_with(
        settings,
        "
        0 inventory 1:a@0 2:b@1 have a b c  |
        0 view 2:b@1+ 1:a@0+                | report
        1 reported ok                       |
        2 view 2:b@1+                       | stop 1
        3 ended 1                           |
        4 view                              | stop 2
        5 ended 2                           | discard c
        ",
    );
}

/// (P6)
#[test]
fn a_worker_that_ends_is_started_again_and_given_up_at_last() {
    check(
        "
        0   inventory 1:a@0 have a  |
        0   view 1:a@0+             | report
        1   reported ok             |
        10  ended 1                 |
        11  tick                    | start 1:a@0
        12  started 1 ok            |
        13  ended 1                 |
        15  tick                    | start 1:a@0
        16  started 1 trouble       | report 1 stopped
        17  reported 1 ok           |
        18  view                    | discard a
        ",
    );
}

/// (P6)
#[test]
fn a_worker_that_ran_long_has_all_its_attempts_again() {
    check(
        "
        0   inventory 1:a@0 have a  |
        0   view 1:a@0+             | report
        0   reported ok             |
        1   ended 1                 |
        2   tick                    | start 1:a@0
        3   started 1 ok            |
        4   ended 1                 |
        6   tick                    | start 1:a@0
        7   started 1 ok            |
        60  tick                    | report
        60  reported ok             |
        67  ended 1                 |
        68  tick                    | start 1:a@0
        ",
    );
}

/// (P7)
#[test]
fn a_worker_on_units_that_are_not_here_is_named_as_stopped() {
    check(
        "
        0 inventory have a  |
        0 view 1:a@99       | report 1 stopped
        ",
    );
}

/// (P9)
#[test]
fn in_a_pause_workers_are_kept_and_none_is_started() {
    check(
        "
        0   inventory 1:a@0 have a      |
        0   view 1:a@0+~ 2:a@1~         |
        100 tick                        |
        101 ended 1                     |
        110 view 1:a@0+~ 2:a@1~         |
        111 view 1:a@0+ 2:a@1           | start 1:a@0; start 2:a@1; report
        ",
    );
}

/// (P7)
#[test]
fn reports_come_at_their_distance_and_again_if_one_failed() {
    check(
        "
        0   inventory 1:a@0 have a  |
        0   view 1:a@0+             | report
        1   reported failed         |
        9   tick                    |
        10  tick                    | report
        11  reported ok             |
        69  tick                    |
        70  tick                    | report
        ",
    );
}

/// (P5)
#[test]
fn what_is_not_answered_is_asked_again() {
    check(
        "
        0   inventory           |
        0   view 1:a@0          | fetch a
        119 tick                |
        120 tick                | fetch a
        121 fetched a ok        | start 1:a@0
        240 tick                |
        241 tick                | start 1:a@0
        242 view                |
        360 tick                |
        361 tick                | stop 1
        481 tick                | stop 1
        ",
    );
}

/// (P2)
#[test]
fn an_older_view_is_no_news() {
    check(
        "
        0 inventory 1:a@0 have a    |
        0 view 1:a@0                | running 1:a
        1 view-of-before            |
        ",
    );
}

/// (P10)
#[test]
fn a_worker_changes_to_another_artifact_once_its_bytes_are_here() {
    check(
        "
        0   inventory 1:a@0 have a      |
        0   view 1:a@0+                 | report
        1   reported ok                 |
        2   view 1:a>b@0+               | fetch b
        3   tick                        |
        4   fetched b ok                | stop 1
        5   ended 1                     | start 1:b@0
        6   started 1 ok                | running 1:b
        7   view 1:a>b@0+               |
        8   view 1:b@0+                 | discard a
        ",
    );
}

/// (P10)
#[test]
fn a_worker_that_cannot_have_another_artifact_serves_on_and_says_so() {
    check(
        "
        0   inventory 1:a@0 have a      |
        0   view 1:a@0+                 | report
        0   reported ok                 |
        1   view 1:a>b@0+               | fetch b
        2   fetched b trouble           |
        3   tick                        | fetch b
        4   fetched b trouble           |
        5   tick                        | fetch b
        6   fetched b trouble           | cannot-run 1:b unavailable
        15  tick                        |
        16  tick                        | cannot-run 1:b unavailable
        17  view 1:a@0+                 | discard b
        20  view 1:a>b@0+               | fetch b
        ",
    );
}

/// (P10)
#[test]
fn a_worker_that_cannot_start_another_artifact_goes_back_to_its_own() {
    check(
        "
        0   inventory 1:a@0 have a b    |
        0   view 1:a>b@0+               | stop 1; report
        0   reported ok                 |
        1   ended 1                     | start 1:b@0
        2   started 1 invalid           | cannot-run 1:b invalid
        3   view 1:a@0+                 | discard b; start 1:a@0
        4   started 1 ok                |
        ",
    );
}

#[test]
fn a_worker_that_the_machine_cannot_start_in_its_turn_is_named_as_stopped() {
    check(
        "
        0   inventory 1:a@0 have a b    |
        0   view 1:a>b@0+               | stop 1; report
        0   reported ok                 |
        1   ended 1                     | start 1:b@0
        2   started 1 trouble           |
        3   tick                        | start 1:b@0
        4   started 1 trouble           |
        6   tick                        | start 1:b@0
        7   started 1 trouble           | report 1 stopped
        ",
    );
}

#[test]
fn a_worker_that_began_with_the_artifact_of_before_says_so_and_changes_later() {
    check(
        "
        0   inventory                   |
        0   view 1:a@0                  | fetch a
        1   fetched a ok                | start 1:a@0
        2   view 1:a>b@0                |
        3   started 1 ok                | running 1:a
        4   view 1:a@0+                 | report
        4   reported ok                 |
        5   view 1:a>b@0+               | fetch b
        6   fetched b ok                | stop 1
        ",
    );
}

/// (P9)
#[test]
fn in_a_pause_no_worker_changes() {
    check(
        "
        0   inventory 1:a@0 have a b    |
        0   view 1:a>b@0+~              |
        1   tick                        |
        2   view 1:a>b@0+               | stop 1; report
        ",
    );
}

#[test]
fn a_rollback_before_the_chain_heard_of_the_change_stops_what_was_begun() {
    check(
        "
        0   inventory 1:a@0 have a b    |
        0   view 1:a>b@0+               | stop 1; report
        0   reported ok                 |
        1   ended 1                     | start 1:b@0
        2   started 1 ok                | running 1:b
        3   view 1:a@0+                 | stop 1
        4   ended 1                     | discard b; start 1:a@0
        ",
    );
}
