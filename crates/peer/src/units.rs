//! Which core each compute unit has: what it proves and serves with.
//!
//! [`allot`] is the whole decision: the machine's cores, what units had before, how many units there are. A unit keeps
//! its core for as long as the machine has it, whatever is added beside it; who begins takes the first free core, and
//! the first of those that nobody has had are left to the system. [`topology`] says what the machine has.
//!
//! Promises (`docs/spec/peer.md`, Units): U1 to U4.

pub mod topology;

use std::collections::BTreeMap;

/// A core: its logical processors, ascending. One without any is virtual: its unit is not pinned.
pub type Core = Vec<u32>;

/// Threads with which a unit proves.
pub const THREADS: usize = 2;

/// What is to be allotted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Units of the peer, by index from 0.
    pub units: u16,
    /// Cores that are left to the peer and the system; by default one, if the machine has more than two.
    pub system_cores: Option<u16>,
    /// Whether units for which no core is left run unpinned, beside the others.
    pub oversubscribe: bool,
}

/// There are more units than cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{units} units take a core each, and of this machine's {cores} the system has {system}\nhint: lower `units` or `system_cores`, or say `oversubscribe = true` if this is for trying only"
)]
pub struct TooFew {
    units: u16,
    cores: usize,
    system: usize,
}

/// The core of each unit. `known` is what they had before. (U1, U2)
///
/// # Errors
/// There are too few cores, and units may not share.
pub fn allot(
    cores: &[Core],
    known: &BTreeMap<u16, Core>,
    wanted: Wanted,
) -> Result<BTreeMap<u16, Core>, TooFew> {
    let mut free = cores.to_vec();
    let mut allotted = BTreeMap::new();
    for unit in 0..wanted.units {
        let had = known.get(&unit);
        let there = had.and_then(|had| free.iter().position(|core| is_same(core, had)));
        if let Some(there) = there {
            allotted.insert(unit, free.remove(there));
        }
    }
    let system = wanted
        .system_cores
        .map_or(usize::from(cores.len() > 2), usize::from);
    if !wanted.oversubscribe && cores.len() < system + usize::from(wanted.units) {
        return Err(TooFew {
            units: wanted.units,
            cores: cores.len(),
            system,
        });
    }
    let mut free = free.into_iter().skip(system);
    for unit in 0..wanted.units {
        let next = || free.next().unwrap_or_default();
        allotted.entry(unit).or_insert_with(next);
    }
    Ok(allotted)
}

/// Whether a core is the one that a unit had, though some of its processors may be off by now, or on again.
fn is_same(core: &Core, had: &Core) -> bool {
    core == had || core.iter().any(|processor| had.contains(processor))
}

/// Where one of a unit's threads runs: siblings are shared out among them, so that each has its own. (U3)
#[must_use]
pub fn of_thread(core: &[u32], thread: usize) -> Core {
    if core.len() < THREADS {
        return core.to_vec();
    }
    let mine = core.iter().skip(thread % THREADS).step_by(THREADS);
    mine.copied().collect()
}

#[cfg(test)]
mod tests {
    use super::{Core, TooFew, Wanted, allot, of_thread};
    use std::collections::BTreeMap;

    /// Four cores of two threads each, as Linux numbers them.
    fn smt() -> Vec<Core> {
        (0..4).map(|core| vec![core, core + 4]).collect()
    }

    fn plain(cores: u32) -> Vec<Core> {
        (0..cores).map(|core| vec![core]).collect()
    }

    fn wanted(units: u16) -> Wanted {
        Wanted {
            units,
            system_cores: None,
            oversubscribe: false,
        }
    }

    fn fresh(cores: &[Core], wanted: Wanted) -> Result<Vec<Core>, TooFew> {
        again(cores, &[], wanted)
    }

    /// With what units had before, in order.
    fn again(cores: &[Core], had: &[Core], wanted: Wanted) -> Result<Vec<Core>, TooFew> {
        let had: BTreeMap<_, _> = (0..).zip(had.iter().cloned()).collect();
        let allotted = allot(cores, &had, wanted)?;
        assert!(allotted.keys().copied().eq(0..wanted.units));
        Ok(allotted.into_values().collect())
    }

    /// (U1)
    #[test]
    fn the_first_core_is_the_systems_and_each_unit_has_one_with_its_siblings() {
        let cores = fresh(&smt(), wanted(2)).expect("room");
        assert_eq!(cores, [[1, 5], [2, 6]]);
        let two = Wanted {
            system_cores: Some(2),
            ..wanted(2)
        };
        assert_eq!(fresh(&smt(), two).expect("room"), [[2, 6], [3, 7]]);
    }

    #[test]
    fn a_machine_of_two_cores_gives_both_to_units_unless_it_is_told_otherwise() {
        assert_eq!(fresh(&plain(2), wanted(2)).expect("room"), [[0], [1]]);
        assert_eq!(fresh(&plain(3), wanted(2)).expect("room"), [[1], [2]]);
        let reserved = Wanted {
            system_cores: Some(1),
            ..wanted(2)
        };
        assert!(fresh(&plain(2), reserved).is_err());
    }

    /// (U2)
    #[test]
    fn units_without_a_core_are_refused_with_a_hint() {
        let refused = fresh(&smt(), wanted(4)).expect_err("three are left");
        let text = refused.to_string();
        assert!(
            text.starts_with(
                "4 units take a core each, and of this machine's 4 the system has 1\nhint: "
            ),
            "{text}"
        );
    }

    #[test]
    fn units_that_may_share_run_unpinned_where_no_core_is_left() {
        let sharing = Wanted {
            oversubscribe: true,
            ..wanted(3)
        };
        let cores = fresh(&plain(2), sharing).expect("they share");
        assert_eq!(cores, [vec![0], vec![1], vec![]]);
        assert_eq!(fresh(&[], sharing).expect("they share"), [[0_u32; 0]; 3]);
    }

    /// (U2)
    #[test]
    fn another_unit_moves_none_that_has_a_core() {
        let two = fresh(&smt(), wanted(2)).expect("room");
        let three = again(&smt(), &two, wanted(3)).expect("room");
        assert_eq!(three[..2], two[..]);
        assert_eq!(three[2], [3, 7]);
    }

    #[test]
    fn a_core_more_for_the_system_moves_none_either() {
        let two = fresh(&smt(), wanted(2)).expect("room");
        let less = Wanted {
            system_cores: Some(2),
            ..wanted(2)
        };
        assert_eq!(again(&smt(), &two, less).expect("room"), two);
        let full = Wanted { units: 3, ..less };
        assert!(again(&smt(), &two, full).is_err());
    }

    /// (U2)
    #[test]
    fn on_another_machine_who_lost_its_core_gets_a_free_one_and_the_others_stay() {
        let had = [vec![1, 5], vec![9, 13], vec![3, 7]];
        let cores = again(&smt(), &had, wanted(3)).expect("room");
        assert_eq!(cores, [[1, 5], [2, 6], [3, 7]]);
    }

    #[test]
    fn a_core_is_the_same_with_and_without_its_sibling() {
        let two = fresh(&smt(), wanted(2)).expect("room");
        let off = again(&plain(4), &two, wanted(2)).expect("room");
        assert_eq!(off, [[1], [2]]);
        assert_eq!(again(&smt(), &off, wanted(2)).expect("room"), two);
    }

    #[test]
    fn virtual_cores_pin_nobody() {
        let none = Wanted {
            system_cores: Some(0),
            ..wanted(2)
        };
        let cores = fresh(&[vec![], vec![]], none).expect("room");
        assert_eq!(cores, [[0_u32; 0]; 2]);
        assert_eq!(again(&[vec![], vec![]], &cores, none).expect("room"), cores);
        assert_eq!(
            again(&plain(2), &cores, none).expect("room"),
            [[0], [1]],
            "who had none gets one"
        );
    }

    /// (U3)
    #[test]
    fn each_thread_has_a_sibling_of_its_own_where_there_are_some() {
        let of = |core: &[u32]| [of_thread(core, 0), of_thread(core, 1)];
        assert_eq!(of(&[1, 5]), [[1], [5]]);
        assert_eq!(of(&[1]), [[1], [1]]);
        assert_eq!(of(&[]), [[0_u32; 0]; 2]);
        assert_eq!(of(&[0, 1, 2, 3]), [[0, 2], [1, 3]]);
    }
}
