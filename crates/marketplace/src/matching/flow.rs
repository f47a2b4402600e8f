//! Minimum-cost flow by successive shortest paths, for the arcs of one look: about one for each candidate that
//! fits, up to `look_budget`, and a few for each provider, datacenter, offer and country.
//!
//! Each round sends one unit of flow along a cheapest path of the residual graph, which keeps the flow cheapest
//! among those of its size; capacities are whole numbers, so flows are too. Arc costs are not negative at the
//! start and rounds never make a negative cycle, so the search for a path ends.

use std::collections::{BTreeSet, VecDeque};

/// Cost of an arc: price first, then the rank of the candidate, so that ties fall to the first in rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cost {
    pub(super) price: i128,
    pub(super) rank: i64,
}

impl Cost {
    fn plus(self, other: Self) -> Self {
        Self {
            price: self.price.saturating_add(other.price),
            rank: self.rank.saturating_add(other.rank),
        }
    }

    fn reversed(self) -> Self {
        Self {
            price: self.price.saturating_neg(),
            rank: self.rank.saturating_neg(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Arc {
    from: usize,
    to: usize,
    room: u32,
    cost: Cost,
}

/// A directed graph with capacities and costs. Arc `2n + 1` is the way back of arc `2n`.
#[derive(Debug, Default)]
pub(super) struct Graph {
    arcs: Vec<Arc>,
    /// Arcs that leave each node.
    leaving: Vec<Vec<usize>>,
    /// Arcs looked at so far: the work done.
    pub(super) work: u64,
}

/// An arc of a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ArcId(usize);

impl Graph {
    /// Adds a node.
    pub(super) fn node(&mut self) -> usize {
        self.leaving.push(Vec::new());
        self.leaving.len().saturating_sub(1)
    }

    /// Adds an arc between two nodes.
    pub(super) fn arc(&mut self, from: usize, to: usize, capacity: u32, cost: Cost) -> ArcId {
        let id = self.arcs.len();
        self.arcs.push(Arc {
            from,
            to,
            room: capacity,
            cost,
        });
        self.arcs.push(Arc {
            from: to,
            to: from,
            room: 0,
            cost: cost.reversed(),
        });
        for (node, arc) in [(from, id), (to, id.saturating_add(1))] {
            if let Some(leaving) = self.leaving.get_mut(node) {
                leaving.push(arc);
            }
        }
        ArcId(id)
    }

    /// Whether flow goes through an arc of capacity one.
    pub(super) fn is_used(&self, arc: ArcId) -> bool {
        self.arcs.get(arc.0).is_some_and(|arc| arc.room == 0)
    }

    /// Sends `amount` units at the least cost; false if that much does not fit.
    pub(super) fn send(&mut self, source: usize, sink: usize, amount: usize) -> bool {
        (0..amount).all(|_| self.send_one(source, sink))
    }

    fn send_one(&mut self, source: usize, sink: usize) -> bool {
        let reached_by = self.cheapest_path(source);
        let mut node = sink;
        let mut path = Vec::new();
        while node != source {
            let Some(Some(arc)) = reached_by.get(node).copied() else {
                return false;
            };
            path.push(arc);
            node = self.arcs.get(arc).map_or(source, |arc| arc.from);
        }
        for arc in path {
            if let Some(forth) = self.arcs.get_mut(arc) {
                forth.room = forth.room.saturating_sub(1);
            }
            if let Some(back) = self.arcs.get_mut(arc ^ 1) {
                back.room = back.room.saturating_add(1);
            }
        }
        true
    }

    /// For each node the last arc of a cheapest path to it (Bellman and Ford, by a queue of improved nodes).
    fn cheapest_path(&mut self, source: usize) -> Vec<Option<usize>> {
        let mut costs = vec![None; self.leaving.len()];
        let mut reached_by = vec![None; self.leaving.len()];
        let mut queue = VecDeque::from([source]);
        let mut queued = BTreeSet::from([source]);
        set(&mut costs, source, Some(Cost::default()));
        while let Some(node) = queue.pop_front() {
            queued.remove(&node);
            let so_far = costs.get(node).copied().flatten().unwrap_or_default();
            for id in self.leaving.get(node).into_iter().flatten().copied() {
                self.work = self.work.saturating_add(1);
                let Some(arc) = self.arcs.get(id).filter(|arc| arc.room > 0) else {
                    continue;
                };
                let cost = so_far.plus(arc.cost);
                let known = costs.get(arc.to).copied().flatten();
                if arc.to == source || known.is_some_and(|known| known <= cost) {
                    continue;
                }
                set(&mut costs, arc.to, Some(cost));
                set(&mut reached_by, arc.to, Some(id));
                if queued.insert(arc.to) {
                    queue.push_back(arc.to);
                }
            }
        }
        reached_by
    }
}

fn set<T>(list: &mut [T], place: usize, value: T) {
    if let Some(slot) = list.get_mut(place) {
        *slot = value;
    }
}

#[cfg(test)]
mod tests {
    use super::{Cost, Graph};

    #[test]
    fn a_later_unit_reroutes_an_earlier_one() {
        let mut graph = Graph::default();
        let [source, a, b, x, y, sink] = std::array::from_fn(|_| graph.node());
        let free = Cost::default();
        let price = |price| Cost { price, rank: 0 };
        for (from, to) in [(source, a), (source, b), (x, sink), (y, sink)] {
            graph.arc(from, to, 1, free);
        }
        let cheap = graph.arc(a, x, 1, price(1));
        let dear = graph.arc(a, y, 1, price(2));
        let only = graph.arc(b, x, 1, price(2));
        assert!(graph.send(source, sink, 2), "both units fit");
        assert!(!graph.is_used(cheap), "the cheap arc gives way");
        assert!(
            graph.is_used(dear) && graph.is_used(only),
            "for the only pair"
        );
        assert!(!graph.send(source, sink, 1), "a third does not fit");
    }
}
