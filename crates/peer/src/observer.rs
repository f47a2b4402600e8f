//! What the chain says about this peer, as of one block.

use marketplace::{
    demand::Artifact,
    units::{Address, DealId, Hash, PeerId, WorkerId},
};

/// Everything that the planner decides by. Views of lower blocks than one already seen are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The block.
    pub height: u64,
    /// The workers that are not gone, by id.
    pub workers: Vec<Assignment>,
}

/// A worker that the chain assigned to this peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Its id.
    pub worker: WorkerId,
    /// Whom it serves.
    pub deal: DealId,
    /// What it is to run now, and who besides the deal's peers holds the bytes.
    pub artifact: Artifact,
    /// What the chain knows it to run, or has placed it with.
    pub runs: Hash,
    /// Indices of its compute units.
    pub units: Vec<u16>,
    /// Whether the chain knows that it runs.
    pub is_running: bool,
    /// Whether the deal's money is used up: what runs is kept, and nothing is started.
    pub is_paused: bool,
}

impl Assignment {
    /// Whether a worker that runs is to change to another artifact.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.is_running && self.runs != self.artifact.hash
    }
}

/// A peer of a deal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its worker.
    pub worker: WorkerId,
    /// Its key.
    pub peer: PeerId,
    /// Where it listens, `host:port`.
    pub endpoints: Vec<String>,
    /// Whether its worker runs, or is only placed.
    pub is_running: bool,
}

/// Who takes part in a deal: exactly its members and sources may ask its peers for its artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Which deal.
    pub deal: DealId,
    /// Who may read what its functions log.
    pub owner: Address,
    /// What its workers run, or ran before.
    pub artifacts: Vec<Hash>,
    /// Its peers.
    pub members: Vec<Member>,
    /// Overlay keys of its artifacts' sources.
    pub sources: Vec<PeerId>,
}
