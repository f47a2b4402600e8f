//! A peer but for its chain: executor and overlay, and what the planner says to them.

use super::{Chains, Config, Error, chain::Seen, executor::Executor, units};
use crate::{
    planner::{Event, Planner},
    units::Core,
};
use client::{Client, PeerKey};
use std::{net::SocketAddr, time::Instant};
use tokio::sync::mpsc;

/// Answers that may wait for the planner.
const EVENTS: usize = 1024;

/// What carries a planner's actions out on this machine, and hears what came of them. The events of the chain come
/// from whoever has one.
pub struct Machine {
    executor: Executor,
    cores: Vec<Core>,
    heard: mpsc::Receiver<Event>,
    began: Instant,
}

impl Machine {
    /// Opens the data folder, takes cores for the units, begins to listen, and adopts the workers that run. What there
    /// is, is the first event that a planner needs.
    ///
    /// # Errors
    /// It cannot begin.
    pub async fn open(
        config: &Config,
        key: &PeerKey,
        client: Client,
    ) -> Result<(Self, Event), Error> {
        if config.worker.is_empty() {
            return Err(Error::NoCommand);
        }
        let cores = units::cores(config)?;
        let (events, heard) = mpsc::channel(EVENTS);
        let opening = Executor::open(config, key, client, cores.clone(), events);
        let mut executor = opening.await?;
        let inventory = executor.inventory().await?;
        let machine = Self {
            executor,
            cores,
            heard,
            began: Instant::now(),
        };
        Ok((machine, inventory))
    }

    /// Where the overlay listens.
    #[must_use]
    pub fn listens(&self) -> Vec<SocketAddr> {
        self.executor.listens()
    }

    /// The core of each unit.
    #[must_use]
    pub fn cores(&self) -> &[Core] {
        &self.cores
    }

    /// What units do that have no worker.
    #[must_use]
    pub fn chains(&self) -> Chains {
        self.executor.chains()
    }

    /// Lets the planner decide, and begins what it says.
    pub fn handle(&mut self, planner: &mut Planner, event: Event) {
        let elapsed = self.began.elapsed().as_millis();
        let now = u64::try_from(elapsed).unwrap_or(u64::MAX);
        self.executor.note(&event);
        for action in planner.handle(event, now) {
            tracing::info!(?action, "planned");
            self.executor.carry_out(action);
        }
    }

    /// What came of an action, or what happened to a worker.
    pub async fn heard(&mut self) -> Option<Event> {
        self.heard.recv().await
    }

    /// Begins to follow the chain.
    pub(super) fn observe(&mut self) -> mpsc::Receiver<Seen> {
        self.executor.observe()
    }

    /// Takes a view of the chain in.
    pub(super) fn look(&mut self, seen: Seen) -> Event {
        self.executor.look(seen)
    }

    /// Ends everything but the workers, or them too.
    pub async fn close(self, stop_workers: bool) {
        // Nobody is told any more.
        drop(self.heard);
        self.executor.close(stop_workers).await;
    }
}
