//! Workers, as peers speak for them.

use super::{Made, Run};
use crate::world::{address, peer_id};
use marketplace::deal::{self, WorkerView};
use marketplace::units::{Address, Hash, WorkerId};
use marketplace::worker::{self, Obstacle, Stage, Worker};
use marketplace::{Call, peer};

impl Run {
    fn worker(&self, id: WorkerId) -> Option<Worker> {
        self.world.read(|cx| worker::get(cx.store, id))
    }

    /// A worker that was assigned, most of the time, with its peer's operator.
    fn assigned(&mut self) -> (WorkerId, Address) {
        self.worker_that(|view| matches!(view.worker.stage, Stage::Assigned { .. }))
    }

    /// A worker that is to run something else than it does, most of the time, with its peer's operator.
    fn next_to_change(&mut self) -> (WorkerId, Address) {
        self.worker_that(|view| view.due != view.worker.artifact)
    }

    /// What a worker is to run; or anything.
    fn artifact_of(&mut self, id: WorkerId) -> Hash {
        let any = self.artifact().hash;
        let view = self.world.read(|cx| deal::worker(cx, id));
        match view {
            Some(view) if !self.odd(4) => view.due,
            _ => any,
        }
    }

    fn worker_that(&mut self, fits: impl Fn(&WorkerView) -> bool) -> (WorkerId, Address) {
        let id = self.find(Self::any_worker, |run, id| {
            let view = run.world.read(|cx| deal::worker(cx, *id));
            view.is_some_and(|view| fits(&view))
        });
        let peer = self.worker(id).map(|worker| worker.peer);
        let row = peer.and_then(|peer| self.world.read(|cx| peer::get(cx.store, peer)));
        (id, row.map_or(address("nobody"), |peer| peer.operator))
    }

    pub(super) fn running(&mut self) -> Made {
        let (worker, operator) = match self.dice.one_in(2) {
            true => self.assigned(),
            false => self.next_to_change(),
        };
        let artifact = self.artifact_of(worker);
        let call = worker::Call::Running { worker, artifact };
        (operator, Call::Worker(call))
    }

    pub(super) fn cannot_run(&mut self) -> Made {
        let (worker, operator) = match self.dice.one_in(4) {
            true => self.assigned(),
            false => self.next_to_change(),
        };
        let call = worker::Call::CannotRun {
            worker,
            artifact: self.artifact_of(worker),
            obstacle: Obstacle::Unavailable,
        };
        (operator, Call::Worker(call))
    }

    pub(super) fn report(&mut self) -> Made {
        let name = match self.peers.is_empty() {
            true => "nobody".to_owned(),
            false => self.dice.of(&self.peers).0,
        };
        let peer = peer_id(&name);
        let stopped = match self.dice.one_in(10) {
            true => self.find(
                |run| vec![run.any_worker()],
                |run, ids| {
                    let mut rows = ids.iter().map(|id| run.worker(*id));
                    rows.all(|row| row.is_none_or(|worker| worker.peer == peer))
                },
            ),
            false => Vec::new(),
        };
        let call = worker::Call::Report { peer, stopped };
        let row = self.world.read(|cx| peer::get(cx.store, peer));
        let operator = row.map_or(address(&name), |peer| peer.operator);
        (operator, Call::Worker(call))
    }

    /// A worker that runs, most of the time, with the owner of its provider and its peer's operator.
    fn serving(&mut self) -> (WorkerId, Address, Address) {
        let id = self.find(Self::any_worker, |run, id| {
            let row = run.worker(*id);
            row.is_some_and(|worker| worker.stage.run().is_some())
        });
        let row = self.worker(id);
        let peer = row.as_ref().map(|worker| worker.peer);
        let operator = peer.and_then(|peer| self.world.read(|cx| peer::get(cx.store, peer)));
        let owner = self.owner(row.map(|worker| worker.provider).unwrap_or_default());
        let nobody = address("nobody");
        (id, owner, operator.map_or(nobody, |peer| peer.operator))
    }

    pub(super) fn give_notice(&mut self) -> Made {
        let (worker, owner, operator) = self.serving();
        let caller = self.dice.of(&[owner, operator]);
        let call = worker::Call::GiveNotice { worker };
        (caller, Call::Worker(call))
    }

    pub(super) fn give_notice_of_all(&mut self) -> Made {
        let (peer, provider) = self.any_peer();
        let call = worker::Call::GiveNoticeOfAll { peer };
        (self.owner(provider), Call::Worker(call))
    }

    pub(super) fn leave_deal(&mut self) -> Made {
        let (worker, owner, _) = self.serving();
        (owner, Call::Worker(worker::Call::Leave { worker }))
    }
}
