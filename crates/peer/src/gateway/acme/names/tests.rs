//! Rooms, times and who gives way to whom.

use super::{LONGEST, Names, Origin, PAUSE, REMEMBERED, Validity};

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 24 * 3600;

fn names(most: usize) -> Names {
    Names::new(most, ["fn.example.com".to_owned()].into())
}

fn days(days: u64) -> Validity {
    let (from, until) = (NOW, NOW + days * DAY);
    Validity { from, until }
}

/// (G21)
#[test]
fn ten_thousand_names_are_no_more_than_there_is_room_for() {
    let mut names = names(3);
    for origin in [Origin::Below, Origin::Own] {
        let asked = (0..10_000).map(|number| format!("{number}.{origin:?}.test"));
        let taken = asked.filter(|name| names.ask(name, origin, NOW));
        assert_eq!(taken.count(), 3, "{origin:?}");
    }
    let mut ordered = Vec::new();
    while let Some((name, _)) = names.next(NOW) {
        names.obtained(&name, days(90));
        ordered.push(name);
    }
    assert_eq!(ordered.len(), 7, "{ordered:?}");
    assert_eq!(ordered[0], "fn.example.com", "before any other");
}

/// Who has a name of these tests: what stands behind its first dot.
fn holder(name: &str) -> Option<String> {
    let (_, holder) = name.split_once('.')?;
    Some(holder.to_owned())
}

/// Adds a name, in another's place if it must be; what became of both.
fn ask(names: &mut Names, name: &str) -> (bool, Option<String>) {
    if names.ask(name, Origin::Own, NOW) {
        return (true, None);
    }
    let gone = names.give_way(name, Origin::Own, NOW, holder);
    (names.ask(name, Origin::Own, NOW), gone)
}

/// (G21, G22)
#[test]
fn a_stranger_with_ten_thousand_names_takes_no_place_from_others_and_gives_way() {
    let mut names = names(10);
    for place in ["1.one.test", "1.two.test"] {
        assert!(ask(&mut names, place).0);
        names.obtained(place, days(90));
    }
    let taken = (0..10_000).filter(|number| ask(&mut names, &format!("{number}.evil.test")).0);
    assert_eq!(taken.count(), 8);
    names.obtained("0.evil.test", days(90));
    // Whoever comes is let in until all have as many, at the stranger's cost, and then no more.
    for number in 2..5 {
        for honest in ["one", "two"] {
            let (is_in, gone) = ask(&mut names, &format!("{number}.{honest}.test"));
            assert_eq!(is_in, number < 4, "{number}.{honest}");
            let gone = gone.unwrap_or_else(|| "nobody".into());
            assert_eq!(gone.ends_with(".evil.test"), is_in, "{gone}");
            assert_ne!(gone, "0.evil.test", "it has a certificate");
        }
    }
    assert!(!ask(&mut names, "x.evil.test").0, "not back again");
    assert!(
        ask(&mut names, "1.three.test").0,
        "there is room for one more"
    );
}

/// (G22)
#[test]
fn names_that_are_nobodys_any_more_give_way_first() {
    let mut names = names(2);
    assert!(names.ask("1.one.test", Origin::Own, NOW));
    assert!(names.ask("over", Origin::Own, NOW));
    assert_eq!(ask(&mut names, "1.two.test"), (true, Some("over".into())));
    assert_eq!(ask(&mut names, "1.three.test"), (false, None));
}

/// (G20)
#[test]
fn a_certificate_is_ordered_anew_when_a_third_of_its_time_is_left() {
    let mut names = names(3);
    names.obtained("fn.example.com", days(90));
    assert_eq!(names.due(), Some(NOW + 60 * DAY));
    assert_eq!(names.next(NOW + 60 * DAY - 1), None);
    let next = names.next(NOW + 60 * DAY);
    let listed = ("fn.example.com".to_owned(), Origin::Listed);
    assert_eq!(next, Some(listed));
}

/// (G20)
#[test]
fn a_name_that_fails_waits_longer_and_longer_and_the_others_do_not() {
    let mut names = names(3);
    names.ask("7.fn.example.com", Origin::Below, NOW);
    let pauses = [1, 2, 4, 8, 16, 32, 64, 128].map(|times| times * PAUSE);
    for pause in pauses {
        assert_eq!(names.failed("fn.example.com", NOW), pause);
    }
    for _ in 0..100 {
        assert!(names.failed("fn.example.com", NOW) <= LONGEST);
    }
    let next = names.next(NOW).map(|(name, _)| name);
    assert_eq!(next.as_deref(), Some("7.fn.example.com"));
    names.obtained("fn.example.com", days(90));
    assert_eq!(names.failed("fn.example.com", NOW), PAUSE, "from the start");
}

/// (G20)
#[test]
fn a_server_that_fails_is_asked_for_no_name_for_a_while() {
    let mut names = names(3);
    assert_eq!(names.pause(NOW), PAUSE);
    assert_eq!(names.next(NOW + PAUSE - 1), None);
    assert_eq!(names.due(), Some(NOW + PAUSE));
    assert!(names.next(NOW + PAUSE).is_some());
    assert_eq!(names.pause(NOW), 2 * PAUSE);
}

/// (G21)
#[test]
fn a_name_without_a_certificate_makes_room_when_nobody_asks_for_it() {
    let mut names = names(1);
    assert!(names.ask("a.test", Origin::Own, NOW));
    assert!(!names.ask("b.test", Origin::Own, NOW));
    assert!(names.ask("a.test", Origin::Own, NOW + 10));
    assert!(names.forget(NOW + REMEMBERED).is_empty());
    let gone = names.forget(NOW + REMEMBERED + 10);
    assert_eq!(gone, ["a.test"], "what is listed stays");
    assert!(names.ask("b.test", Origin::Own, NOW));
    names.obtained("b.test", days(90));
    assert!(names.forget(NOW + 90 * DAY - 1).is_empty());
    assert_eq!(names.forget(NOW + 90 * DAY), ["b.test"]);
}
