//! The network between validators, and the process of each.

use super::{PACING, Running, World};
use crate::audit::{self, Examiner, Model};
use commonware_p2p::simulated::{self, Network, Oracle};
use commonware_runtime::{Spawner as _, Supervisor as _, deterministic::Context};
use commonware_utils::{NZUsize, Probability, channel::oneshot};
use node::{
    audit::Judge,
    engine::{self, CHANNELS, max_message},
    validators::PublicKey,
};
use std::{future::pending, sync::Arc, time::Duration};

impl World {
    pub(super) async fn network(&self, context: &Context) -> Oracle<PublicKey, Context> {
        let keys = self.validators.participants();
        let config = simulated::Config {
            max_size: max_message(self.scenario.validators),
            max_peers_per_set: NZUsize!(keys.len()),
            disconnect_on_block: true,
            tracked_peer_sets: NZUsize!(1),
        };
        let (network, oracle) =
            Network::new_with_peers(context.child("network"), config, keys.iter().cloned()).await;
        network.start();
        let link = self.scenario.link;
        for from in keys {
            for to in keys.iter().filter(|to| *to != from) {
                let link = simulated::Link {
                    latency: Duration::from_millis(link.latency_ms),
                    jitter: Duration::from_millis(link.jitter_ms),
                    success_rate: Probability::new(100 - link.loss_percent, 100)
                        .expect("at most 1"),
                };
                let linked = oracle.add_link(from.clone(), to.clone(), link).await;
                linked.expect("distinct validators");
            }
        }
        oracle
    }

    pub(super) async fn start(
        self: Arc<Self>,
        context: &Context,
        oracle: &Oracle<PublicKey, Context>,
        index: u32,
        tick: u64,
    ) -> Running {
        let key = &self.keys[index as usize];
        let participants = self.validators.participants();
        let public_key = participants.get(index as usize).expect("a member").clone();
        let control = oracle.control(public_key.clone());
        let mut channels = Vec::new();
        for (channel, quota) in CHANNELS {
            let registered = control.register(channel, quota).await;
            channels.push(registered.expect("a channel of this network"));
        }
        let genesis = self.workload.genesis(0);
        let scheme = self.validators.signer(&genesis.hash().0.into(), key);
        let mut rows = execution::genesis::rows(&genesis).expect("a sound genesis");
        rows.extend(audit::rows(self.scenario.audits.count));
        let world = self.clone();
        let judge = self.clone().judge(context.child("judge"), index);
        let config = engine::Config {
            genesis,
            rows,
            judges: vec![judge],
            public_key,
            scheme: scheme.expect("a member"),
            partition: format!("validator-{index}"),
            pacing: PACING,
            fee_account: [index as u8 + 1; 20],
            peers: oracle.manager(),
            blocker: control,
            indexed_height: None,
            observer: Arc::new(move |executed| world.watcher.lock().executed(index, executed)),
        };
        let (sender, receiver) = oneshot::channel();
        let context = context
            .child("validator")
            .with_attribute("index", index)
            .with_attribute("tick", tick);
        let task = context.spawn(move |context| async move {
            let node = engine::start(context.child("node"), config, channels).await;
            let _ = sender.send(node);
            pending::<()>().await;
        });
        let node = receiver.await.expect("a validator starts");
        Running {
            task,
            node: node.expect("a validator's disk can be used"),
        }
    }

    fn judge(self: Arc<Self>, clock: Context, index: u32) -> Box<dyn Judge> {
        let world = self.clone();
        if self.scenario.proving.is_some() {
            let tell = move |found| world.watcher.lock().found(index, found);
            return Box::new(Examiner::new(clock, &self.scenario, index, tell));
        }
        let tell = move || world.watcher.lock().judged(index);
        Box::new(Model::new(clock, &self.scenario, index, tell))
    }
}
