//! The whole way once: idle units prove themselves, a function is served by two providers, one of its peers is killed and
//! replaced, the deal runs out of money, goes on and is stopped, its units prove themselves again, and everybody withdraws.

use super::world::{FAUCET, World};
use crate::amount::{counted, flt, usdc};
use crate::command::deploy;
use crate::command::provider;
use crate::commitment::{Claimed, claim};
use crate::http::{self, Answer, Message};
use crate::printer::Printer;
use anyhow::Context as _;
use client::marketplace::units::{CommitmentId, DealId, PeerId, Usdc, WorkerId};
use client::marketplace::{Call, deal};
use client::sol::IDeal::{DealStatus, DealStatusChanged};
use client::sol::IWindow::WindowCommitted;
use client::sol::IWorker::{GoneReason, WorkerGone};
use client::view::commitment::Commitment;
use client::view::deal::{Deal, Status};
use client::view::unit::Whereabouts;
use client::view::worker::{Stage, Worker};
use client::{AccountKey, Client};
use serde_json::json;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// How long each thing may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Distance of looks and of requests.
const LOOK: Duration = Duration::from_millis(50);
/// Requests of the first step.
const REQUESTS: u32 = 100;
/// What is paid in later, each time.
const TOP_UP: Usdc = Usdc(250_000);

struct Demo<'a> {
    world: &'a mut World,
    printer: &'a Printer,
    client: Client,
    developer: AccountKey,
    deal: DealId,
    url: String,
}

pub(super) async fn run(world: &mut World, printer: &Printer) -> anyhow::Result<()> {
    let deal = DealId(world.deploy(printer).await?);
    let mut demo = Demo {
        client: world.client().clone(),
        developer: world.developer()?,
        url: format!("{}/{deal}/", world.gateway()?),
        world,
        printer,
        deal,
    };
    demo.serve().await?;
    demo.kill().await?;
    demo.top_up().await?;
    demo.pause().await?;
    demo.resume().await?;
    let workers = demo.stop().await?;
    demo.prove_again(&workers).await?;
    demo.settle().await
}

impl Demo<'_> {
    fn step(&self, name: &str, value: serde_json::Value, text: &str) {
        self.world.step(self.printer, name, value, text);
    }

    async fn deal(&self) -> anyhow::Result<Deal> {
        Ok(self.client.deal(self.deal).await?)
    }

    async fn request(&self) -> anyhow::Result<Answer> {
        http::request(&self.url, Message::default()).await
    }

    /// The deal, as soon as it is as it should be.
    async fn until(&self, what: &str, is_so: impl Fn(&Deal) -> bool) -> anyhow::Result<Deal> {
        let began = Instant::now();
        loop {
            let deal = self.deal().await?;
            if is_so(&deal) {
                return Ok(deal);
            }
            anyhow::ensure!(
                began.elapsed() < PATIENCE,
                "{what}: not within a minute; {deal:?}"
            );
            sleep(LOOK).await;
        }
    }

    /// Requests are answered by workers of both providers.
    async fn serve(&self) -> anyhow::Result<()> {
        let deal = self
            .until("two workers run", |deal| deal.running == 2)
            .await?;
        let mut answers = BTreeMap::<String, u32>::new();
        let began = Instant::now();
        let mut left = REQUESTS;
        // The gateway learns of a worker a moment after it runs.
        while left > 0 || answers.len() < 2 {
            let answer = self.request().await?;
            anyhow::ensure!(
                answer.status == 200,
                "a request is answered with {}",
                answer.status
            );
            *answers
                .entry(answer.worker.context("no worker answers")?)
                .or_default() += 1;
            left = left.saturating_sub(1);
            anyhow::ensure!(began.elapsed() < PATIENCE, "only {answers:?} answer");
        }
        let providers: Vec<_> = deal.workers.iter().map(|worker| worker.provider).collect();
        anyhow::ensure!(
            providers.len() == 2 && providers[0] != providers[1],
            "not two providers"
        );
        for worker in &deal.workers {
            let proves = self.proves(worker).await?;
            anyhow::ensure!(!proves, "a unit proves itself while it serves");
        }
        let text = answers
            .iter()
            .map(|(worker, count)| format!("{count} by worker {worker}"));
        let text = text.collect::<Vec<_>>().join(", ");
        self.step(
            "requests",
            json!({ "answers": answers, "providers": providers }),
            &text,
        );
        Ok(())
    }

    /// A peer dies; requests go on, it is paid up to its last report, and its worker is replaced.
    async fn kill(&mut self) -> anyhow::Result<()> {
        let has_earned = |deal: &Deal| deal.workers.iter().all(|worker| worker.unpaid > 0);
        let deal = self.until("workers earn", has_earned).await?;
        let victim = deal.workers.first().context("no worker")?.clone();
        let number = self.world.number_of(&victim.peer.to_string());
        let number = number.context("a worker runs on no peer of this machine")?;
        let peer = self.world.peer(number).context("no such peer")?;
        peer.kill().await?;
        let text = format!(
            "peer-{number} with worker {} of provider {} (SIGKILL)",
            victim.id, victim.provider
        );
        self.step(
            "killed",
            json!({ "peer": number, "worker": victim.id }),
            &text,
        );

        let began = Instant::now();
        let (mut answered, mut failed) = (0, 0);
        let is_new = |worker: &&Worker| worker.id > victim.id && worker.stage == Stage::Running;
        let replacement = loop {
            match self.request().await {
                Ok(answer) if answer.status == 200 => answered += 1,
                _ => failed += 1,
            }
            let deal = self.deal().await?;
            let is_gone = deal.workers.iter().all(|worker| worker.id != victim.id);
            let newest = deal
                .workers
                .iter()
                .max_by_key(|worker| worker.id)
                .filter(is_new);
            if let (true, 2, Some(newest)) = (is_gone, deal.running, newest) {
                break newest.clone();
            }
            anyhow::ensure!(
                began.elapsed() < PATIENCE,
                "the worker is not replaced: {deal:?}"
            );
            sleep(LOOK).await;
        };
        anyhow::ensure!(
            failed == 0,
            "{failed} requests failed, {answered} were answered"
        );
        let mut gone = self.client.events::<WorkerGone>(0).await?.into_iter();
        let gone = gone.rfind(|event| event.worker == victim.id);
        let gone = gone.context("no event says that the worker is gone")?;
        anyhow::ensure!(
            gone.reason == GoneReason::Silent,
            "the worker was not silent"
        );
        let earned = self.client.worker(WorkerId(victim.id)).await?.unpaid;
        anyhow::ensure!(
            earned == gone.earned,
            "it earned {} or {earned}",
            gone.earned
        );
        let value = json!({
            "worker": victim.id,
            "paidUpTo": gone.at,
            "earned": gone.earned.to_string(),
            "replacement": replacement.id,
            "answered": answered,
            "failed": failed,
            "afterMs": began.elapsed().as_millis() as u64,
        });
        let text = format!(
            "worker {} by worker {} after {:.1} s; {answered} requests went on; pay stopped at its last report: {}",
            victim.id,
            replacement.id,
            began.elapsed().as_secs_f64(),
            usdc(gone.earned),
        );
        self.step("replaced", value, &text);
        Ok(())
    }

    async fn pay(&self) -> anyhow::Result<()> {
        let call = deal::Call::TopUp {
            deal: self.deal,
            amount: TOP_UP,
        };
        self.client.send(&self.developer, &Call::Deal(call)).await?;
        Ok(())
    }

    /// A top-up moves paid-until.
    async fn top_up(&self) -> anyhow::Result<()> {
        let before = paid_until(&self.deal().await?)?;
        self.pay().await?;
        let after = paid_until(&self.deal().await?)?;
        anyhow::ensure!(
            after > before,
            "a top-up moved paid-until from {before} to {after}"
        );
        let value = json!({ "amount": TOP_UP.0.to_string(), "before": before, "after": after });
        let text = format!(
            "{} more: paid for {} s more",
            usdc(TOP_UP.0),
            after - before
        );
        self.step("topped_up", value, &text);
        Ok(())
    }

    /// Without its surplus the deal soon runs out, and pauses at the second until which it was paid.
    async fn pause(&self) -> anyhow::Result<()> {
        let (deal, now) = (self.deal().await?, self.client.time().await?);
        // It runs down until the transaction is executed.
        let meanwhile = deal
            .rate
            .saturating_mul(3)
            .div_ceil(now.epoch_seconds.into());
        let amount = Usdc(deal.surplus.saturating_sub(meanwhile));
        deploy::withdraw(&self.client, &self.developer, self.deal, Some(amount)).await?;
        let promised = paid_until(&self.deal().await?)?;
        self.until("the money runs out", |deal| deal.status == Status::Paused)
            .await?;
        let changes = self.client.events::<DealStatusChanged>(0).await?;
        let mut changes = changes.into_iter();
        let paused = changes.rfind(|event| event.status == DealStatus::Paused);
        let at = paused.context("no event says that it paused")?.at;
        anyhow::ensure!(at == promised, "paid until {promised}, paused at {at}");
        let began = Instant::now();
        while self.request().await?.worker.is_some() {
            anyhow::ensure!(began.elapsed() < PATIENCE, "a paused deal is served");
            sleep(LOOK).await;
        }
        let value =
            json!({ "withdrawn": amount.0.to_string(), "paidUntil": promised, "pausedAt": at });
        let text = format!(
            "{} taken back; paid until second {promised}, paused at second {at}",
            usdc(amount.0)
        );
        self.step("paused", value, &text);
        Ok(())
    }

    /// Paid again, it serves again.
    async fn resume(&self) -> anyhow::Result<()> {
        self.pay().await?;
        let began = Instant::now();
        while self.request().await?.worker.is_none() {
            anyhow::ensure!(began.elapsed() < PATIENCE, "the deal does not go on");
            sleep(LOOK).await;
        }
        let after_ms = began.elapsed().as_millis() as u64;
        let text = format!(
            "{} more: serves again after {:.1} s",
            usdc(TOP_UP.0),
            after_ms as f64 / 1e3
        );
        self.step("resumed", json!({ "afterMs": after_ms }), &text);
        Ok(())
    }

    /// The deal is stopped, and the rest comes back; gives its last workers.
    async fn stop(&self) -> anyhow::Result<Vec<Worker>> {
        let workers = self.deal().await?.workers;
        let refund = deploy::stop(&self.client, &self.developer, self.deal).await?;
        let text = format!("{} came back at once", usdc(refund.0));
        self.step("stopped", json!({ "refund": refund.0.to_string() }), &text);
        Ok(workers)
    }

    /// Whether a unit of that worker proves itself.
    async fn proves(&self, worker: &Worker) -> anyhow::Result<bool> {
        let units = self.client.units(PeerId(worker.peer.0)).await?;
        let mut theirs = units
            .iter()
            .filter(|unit| worker.units.contains(&unit.unit));
        Ok(theirs.any(|unit| matches!(unit.whereabouts, Whereabouts::Proving)))
    }

    /// Units that served go back to proving themselves.
    async fn prove_again(&self, workers: &[Worker]) -> anyhow::Result<()> {
        let window = self.client.window(None).await?;
        let window = window.context("there are no windows")?.window;
        let (began, from) = (Instant::now(), self.client.height().await?);
        for worker in workers {
            while !self.proves(worker).await? || !self.commits(from, window, worker).await? {
                anyhow::ensure!(
                    began.elapsed() < PATIENCE,
                    "a unit that served does not prove itself again"
                );
                sleep(LOOK).await;
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        let text = format!(
            "{} that served proved themselves again after {seconds:.1} s",
            counted(workers.len(), "CU"),
        );
        let value = json!({ "units": workers.len(), "afterMs": (seconds * 1e3) as u64 });
        self.step("proves_again", value, &text);
        Ok(())
    }

    /// Whether the worker's peer committed, from that height on, to a window after this one.
    async fn commits(&self, from: u64, window: u64, worker: &Worker) -> anyhow::Result<bool> {
        let commits = self.client.events::<WindowCommitted>(from).await?;
        let mut commits = commits.into_iter();
        Ok(commits.any(|commit| commit.peer == worker.peer && commit.window > window))
    }

    /// All that was earned is withdrawn, and every unit of money is somebody's.
    async fn settle(&self) -> anyhow::Result<()> {
        let mut paid = Vec::new();
        for number in [1, 2] {
            let account = self.world.provider(number)?;
            for withdrawn in provider::withdraw(&self.client, &account).await? {
                let text = format!(
                    "{} by provider {}",
                    usdc(withdrawn.paid),
                    withdrawn.provider
                );
                self.step("withdrawn", serde_json::to_value(&withdrawn)?, &text);
            }
            let balance = self.client.usdc(account.address()).await?;
            paid.push(balance);
        }
        let delegator = self.claim().await?;
        let developer = self.client.usdc(self.developer.address()).await?;
        let escrow = self.client.escrow(self.deal).await?;
        let supply = self.client.usdc_supply().await?;
        let all = paid
            .iter()
            .fold(developer.0 + delegator.0 + escrow.0, |sum, paid| {
                sum + paid.0
            });
        let value = json!({
            "supply": supply.0.to_string(),
            "developer": developer.0.to_string(),
            "providers": paid.iter().map(|paid| paid.0.to_string()).collect::<Vec<_>>(),
            "delegator": delegator.0.to_string(),
            "escrow": escrow.0.to_string(),
            "conserved": all == supply.0,
        });
        let text = format!(
            "of {} from the faucet the developer has {}, the providers {} and {}, the delegator {}, the marketplace {}",
            usdc(FAUCET.0),
            usdc(developer.0),
            usdc(paid[0].0),
            usdc(paid[1].0),
            usdc(delegator.0),
            usdc(escrow.0),
        );
        anyhow::ensure!(
            all == supply.0 && supply == FAUCET && escrow == Usdc::ZERO,
            "money does not add up: {text}"
        );
        self.step("done", value, &text);
        Ok(())
    }

    /// Rewards of units that proved themselves are paid out, and the delegator's part of what the deal paid; gives the
    /// delegator's USDC.
    async fn claim(&self) -> anyhow::Result<Usdc> {
        let delegator = self.world.delegator()?;
        let commitments = self.vested().await?;
        let mut claimed = Vec::new();
        for commitment in commitments {
            let id = CommitmentId(commitment.id);
            claimed.push(claim(&self.client, &delegator, id).await?);
        }
        let rewards = claimed.iter().map(Claimed::rewards);
        let rewards = rewards.fold(0, u128::saturating_add);
        let revenue = self.client.usdc(delegator.address()).await?;
        let text = format!(
            "{} of rewards by providers and delegator, {} of what the deal paid by the delegator",
            flt(rewards),
            usdc(revenue.0)
        );
        let value = json!({
            "rewards": rewards.to_string(),
            "revenue": revenue.0.to_string(),
            "commitments": claimed,
        });
        self.step("claimed", value, &text);
        Ok(revenue)
    }

    /// All commitments, as soon as rewards of each have vested that has missed nothing: all units proved themselves before
    /// they served. What was held back for the peer that was killed is lost if an audit asked it since.
    async fn vested(&self) -> anyhow::Result<Vec<Commitment>> {
        let began = Instant::now();
        loop {
            let all = self.client.commitments(None, None, 256).await?;
            let vested = |each: &Commitment| each.rewards.claimable > 0;
            if all.iter().any(vested) && all.iter().all(|each| vested(each) || each.missed > 0) {
                return Ok(all);
            }
            anyhow::ensure!(
                began.elapsed() < PATIENCE,
                "no rewards of a unit vest: it was too slow to prove itself\nhint: try again when this machine has less to do"
            );
            sleep(LOOK).await;
        }
    }
}

fn paid_until(deal: &Deal) -> anyhow::Result<u64> {
    deal.paid_until.context("nothing runs, so nothing is paid")
}
