//! All peers that prove, and who dies when.

use crate::{
    prover::{Flaws, Process},
    scenario::{Fault, Scenario},
    workload::Workload,
};
use node::engine::Handle;
use rand_core::Rng;
use tempfile::TempDir;

/// Distance at which a peer looks at the chain.
const POLL_MS: u64 = 300;
/// In one of so many ticks a prover dies or its link is cut, if that is allowed.
const CUTS: u32 = 20;
/// The same for any validator, and for one that judges an answer.
const DEATHS: u32 = 60;
const DEATHS_WHILE_JUDGING: u32 = 3;

/// A peer, dead or alive.
struct Peer {
    folder: TempDir,
    flaws: Flaws,
    /// Index of its node.
    node: usize,
    process: Option<Process>,
    /// When it starts again.
    dead_until_ms: u64,
    /// When its link is there again.
    cut_until_ms: u64,
    /// When it looks at the chain again.
    look_ms: u64,
    /// Before that it is not cut off again.
    peace_until_ms: u64,
}

/// What happened to peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deaths {
    /// Provers that died.
    pub provers: u64,
    /// Links between a prover and its node that were cut.
    pub links: u64,
    /// Validators that died.
    pub validators: u64,
    /// Of those, validators that died while they judged an answer.
    pub judging: u64,
}

/// Validators at one moment.
pub(crate) struct Validating<'a> {
    /// How many there are.
    pub(crate) all: usize,
    /// Whether all of them run.
    pub(crate) up: bool,
    /// Which ones judge an answer.
    pub(crate) judging: &'a [u32],
}

/// All peers that prove.
pub(crate) struct Fleet {
    peers: Vec<Peer>,
    deaths: Option<(u64, u64)>,
    count: Deaths,
}

impl Fleet {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let peers = scenario.proving.map_or(0, |proving| proving.peers);
        let last = |index, fault| index + 1 == peers && scenario.faults.contains(&fault);
        let peers = (0..peers).map(|index| Peer {
            folder: tempfile::tempdir().expect("a folder"),
            flaws: Flaws {
                loses: last(index, Fault::LostWork),
                wrong: last(index, Fault::WrongWork),
            },
            node: (index % scenario.validators) as usize,
            process: None,
            dead_until_ms: 0,
            cut_until_ms: 0,
            look_ms: 0,
            peace_until_ms: 0,
        });
        Self {
            peers: peers.collect(),
            deaths: scenario.deaths(),
            count: Deaths::default(),
        }
    }

    pub(crate) fn deaths(&self) -> Deaths {
        self.count
    }

    /// Lets peers compute, look at the chain and act on it.
    pub(crate) fn act(&mut self, load: &Workload, nodes: &[Option<&Handle>], now_ms: u64) {
        for (peer, supplier) in self.peers.iter_mut().zip(load.suppliers()) {
            if now_ms < peer.dead_until_ms {
                continue;
            }
            let folder = peer.folder.path();
            let start = || Process::start(folder, peer.flaws);
            let process = peer.process.get_or_insert_with(start);
            process.compute(now_ms);
            let node = nodes[peer.node];
            let node = node.filter(|_| now_ms >= peer.cut_until_ms);
            if let Some(node) = node
                && peer.look_ms <= now_ms
            {
                peer.look_ms = now_ms + POLL_MS;
                load.commit(supplier, node);
                process.look(load, supplier, node, now_ms);
            }
        }
    }

    /// Who dies now: provers and links at once; which validator, and for how many milliseconds, is said.
    pub(crate) fn strike(
        &mut self,
        rng: &mut impl Rng,
        validators: &Validating<'_>,
        now_ms: u64,
    ) -> Option<(usize, u64)> {
        let (longest_ms, peace_ms) = self.deaths?;
        let down_ms = 1 + u64::from(rng.next_u32()) % longest_ms;
        let end_ms = now_ms + down_ms;
        if rng.next_u32().is_multiple_of(CUTS) {
            let index = rng.next_u32() as usize % self.peers.len();
            if self.make_war(|at, _| at == index, now_ms, end_ms + peace_ms) {
                self.cut(index, end_ms, rng);
            }
        }
        let judge = rng.next_u32() as usize % validators.judging.len().max(1);
        let judge = validators.judging.get(judge);
        let any = rng.next_u32() as usize % validators.all;
        let victim = judge.map_or(any, |judge| *judge as usize);
        let chance = judge.map_or(DEATHS, |_| DEATHS_WHILE_JUDGING);
        let dies = validators.up && rng.next_u32().is_multiple_of(chance);
        let theirs = |_, peer: &Peer| peer.node == victim;
        if !dies || !self.make_war(theirs, now_ms, end_ms + peace_ms) {
            return None;
        }
        self.count.validators += 1;
        self.count.judging += u64::from(judge.is_some());
        Some((victim, down_ms))
    }

    /// Ends the peace of these peers, if it is over for all of them.
    fn make_war(
        &mut self,
        of: impl Fn(usize, &Peer) -> bool,
        now_ms: u64,
        peace_until_ms: u64,
    ) -> bool {
        let peers = self.peers.iter_mut().enumerate();
        let mut peers: Vec<_> = peers.filter(|(at, peer)| of(*at, peer)).collect();
        let over = peers.iter().all(|(_, peer)| peer.peace_until_ms <= now_ms);
        for (_, peer) in peers.iter_mut().filter(|_| over) {
            peer.peace_until_ms = peace_until_ms;
        }
        over
    }

    /// A prover dies, or cannot reach its node.
    fn cut(&mut self, index: usize, end_ms: u64, rng: &mut impl Rng) {
        let dies = rng.next_u32().is_multiple_of(2);
        let peer = &mut self.peers[index];
        if !dies {
            peer.cut_until_ms = end_ms;
            self.count.links += 1;
            return;
        }
        peer.dead_until_ms = end_ms;
        self.count.provers += 1;
        if let Some(process) = peer.process.take() {
            process.die(peer.folder.path(), rng);
        }
    }
}
