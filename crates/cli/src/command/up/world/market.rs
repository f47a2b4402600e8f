//! What is done on this world's chain: money, supply, commitments, and a deal.

use super::super::rate;
use super::{World, local};
use crate::amount::{counted, flt, parse_usdc, usdc};
use crate::command::delegate;
use crate::command::deploy::{
    PlanFile,
    apply::{self, Applied, Apply, Give},
};
use crate::command::provider::{commit, offer, register};
use crate::import::Fetch;
use crate::printer::Printer;
use crate::supply::Supply;
use client::marketplace::offer::Curve;
use client::marketplace::units::{CommitmentId, DatacenterId, DealId, Flt, PeerId, Price, Usdc};
use client::marketplace::{Call, deal, pool};
use client::view::commitment;
use client::view::deal::Status;
use client::view::unit::{Unit, Whereabouts};
use client::{AccountKey, PeerKey};
use serde_json::json;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// What the developer takes from the faucet: 1,000 USDC.
pub(in super::super) const FAUCET: Usdc = Usdc(1_000_000_000);

/// A provider of this world: name, price in millionths of USDC, and the datacenters as country, city, name and the
/// number of the peer there.
type Described = (
    &'static str,
    u128,
    [(&'static str, &'static str, &'static str, usize); 2],
);
const PROVIDERS: [Described; 2] = [
    (
        "Alpine Compute",
        4_000,
        [("CH", "ZRH", "Zurich", 1), ("DE", "FRA", "Frankfurt", 2)],
    ),
    (
        "Atlantic Compute",
        4_500,
        [("PT", "LIS", "Lisbon", 3), ("IE", "DUB", "Dublin", 4)],
    ),
];
pub(super) const PEERS: usize = 4;

/// Units of each peer.
pub(super) const UNITS: u16 = 1;

/// A dollar for an FLT, and a cent for a unit and epoch, in millionths of a dollar.
const FLT_PRICE: u64 = 1_000_000;
const REWARD: u64 = 10_000;
/// What rewards are paid from: 10,000 FLT.
const FUND: Flt = Flt(10_000 * FLT);
const FLT: u128 = 1_000_000_000_000_000_000;

/// Epochs that a commitment lasts: three weeks and more.
pub(super) const COMMITMENT: u64 = 100_000;

/// How long it may take until all units have proven themselves; then it goes on without some.
const PROOF: Duration = Duration::from_secs(120);
/// Distance of looks at them.
const LOOK: Duration = Duration::from_millis(200);

impl World {
    /// Fills the developer's USDC up.
    pub(super) async fn fund(&self, developer: &AccountKey) -> anyhow::Result<()> {
        let has = self.client.usdc(developer.address()).await?;
        if has < FAUCET {
            self.client
                .faucet(developer, Usdc(FAUCET.0 - has.0))
                .await?;
        }
        Ok(())
    }

    /// Registers the providers and posts their offers; gives their units.
    pub(super) async fn supply(&self, printer: &Printer) -> anyhow::Result<usize> {
        let mut units = 0;
        for number in 1..=PROVIDERS.len() {
            units += self.offer(number, printer).await?;
        }
        Ok(units)
    }

    /// Describes a provider in a file, unless there is one.
    fn describe(&self, number: usize) -> anyhow::Result<PathBuf> {
        let (name, _, datacenters) = &PROVIDERS[number - 1];
        let mut text = format!("# What `mp provider register` was given.\nname = \"{name}\"\n");
        for (country, city, place, peer) in datacenters {
            let key = format!("keys/peer-{peer}.json");
            if !self.path(&key).exists() {
                PeerKey::generate().save(&self.path(&key))?;
            }
            text += &format!(
                "\n[[datacenters]]\ncountry = \"{country}\"\ncity = \"{city}\"\nname = \"{place}\"\n\
                 [[datacenters.peers]]\nkey = \"{key}\"\nunits = {UNITS}\n\
                 attributes = {{ \"cpu.arch\" = \"{}\" }}\n",
                std::env::consts::ARCH
            );
        }
        self.write_new(&format!("provider-{number}.toml"), text.as_bytes())
    }

    async fn offer(&self, number: usize, printer: &Printer) -> anyhow::Result<usize> {
        let price = PROVIDERS[number - 1].1;
        let supply = Supply::load(&self.describe(number)?)?;
        let account = self.provider(number)?;
        let registered = register::register(&self.client, &account, &supply).await?;
        let mut units = 0;
        let mut countries = Vec::new();
        for datacenter in &registered.datacenters {
            let id = DatacenterId(datacenter.datacenter);
            let curve = Curve::flat(Price(price));
            offer::offer(&self.client, &account, id, curve, None).await?;
            countries.push(datacenter.country.clone());
            units += datacenter
                .peers
                .iter()
                .map(|peer| usize::from(peer.units))
                .sum::<usize>();
        }
        let value = json!({
            "provider": registered.provider,
            "name": registered.name,
            "countries": countries,
            "units": units,
            "price": price.to_string(),
        });
        let text = format!(
            "provider {} {}: {} in {} at {}",
            registered.provider,
            registered.name,
            counted(units, "CU"),
            countries.join(" and "),
            rate(price)
        );
        self.step(printer, "offer", value, &text);
        Ok(units)
    }

    /// Commits the units of all peers, with the collateral of one delegator, and fills the fund that rewards are paid from.
    pub(super) async fn commit(&self, printer: &Printer) -> anyhow::Result<()> {
        self.fill_fund().await?;
        let delegator = self.delegator()?;
        let (mut ids, mut units, mut collateral, mut is_new) = (Vec::new(), 0, 0, false);
        for number in 1..=PROVIDERS.len() {
            let supply = Supply::load(&self.path(&format!("provider-{number}.toml")))?;
            let provider = self.provider(number)?;
            let made = commit::commit_all(&self.client, &provider, &supply, &terms()).await?;
            is_new |= made.iter().any(|each| each.made);
            for each in made.iter().map(|made| &made.commitment) {
                if each.status == commitment::Status::WaitCollateral {
                    let id = CommitmentId(each.id);
                    delegate::deposit(&self.client, &delegator, id, None).await?;
                }
                ids.push(each.id);
                units += usize::from(each.units);
                collateral += each.collateral.needed;
            }
        }
        let value = json!({
            "commitments": ids,
            "units": units,
            "collateral": collateral.to_string(),
            "delegator": delegator.address(),
        });
        let next = if is_new {
            "; now each proves itself for the first time"
        } else {
            ""
        };
        let text = format!(
            "{}, {} of collateral from a delegator{next}",
            counted(units, "CU"),
            flt(collateral)
        );
        self.step(printer, "committed", value, &text);
        Ok(())
    }

    async fn fill_fund(&self) -> anyhow::Result<()> {
        let oracle = self.oracle()?;
        let pool = self.client.pool().await?;
        if pool.price.is_none_or(|price| price.stale) {
            let price = pool::Call::SetPrice {
                flt_price_micro: FLT_PRICE,
                reward_usd_micro: REWARD,
            };
            self.client.send(&oracle, &Call::Pool(price)).await?;
        }
        if pool.fund < FUND.0 {
            let (fund, missing) = (Call::Pool(pool::Call::Fund), FUND.0 - pool.fund);
            self.client.pay(&oracle, &fund, Flt(missing)).await?;
        }
        Ok(())
    }

    /// Waits until all units have proven themselves and can be matched, or serve.
    pub(super) async fn prove(&self, printer: &Printer) -> anyhow::Result<()> {
        let began = Instant::now();
        let is_ready = |unit: &&Unit| match unit.whereabouts {
            Whereabouts::Proving | Whereabouts::Cooling { .. } => unit.matchable,
            Whereabouts::Serving { .. } => true,
            Whereabouts::Idle | Whereabouts::Exited => false,
        };
        let peers = self.peer_ids()?;
        loop {
            let units = self.units(&peers).await?;
            let ready = units.iter().filter(is_ready).count();
            if ready == units.len() {
                let text = format!(
                    "{} proved themselves with RandomX, and can be matched",
                    counted(ready, "CU")
                );
                self.step(printer, "proven", json!({ "units": ready }), &text);
                return Ok(());
            }
            if began.elapsed() > PROOF {
                printer.note(&format!(
                    "note: only {ready} of {} have proven themselves; see logs/ in {}",
                    counted(units.len(), "CU"),
                    self.path("").display()
                ));
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }

    fn peer_ids(&self) -> anyhow::Result<Vec<PeerId>> {
        let id = |number| {
            let key = PeerKey::load(&self.path(&format!("keys/peer-{number}.json")))?;
            Ok(key.id())
        };
        (1..=PEERS).map(id).collect()
    }

    async fn units(&self, peers: &[PeerId]) -> anyhow::Result<Vec<Unit>> {
        let mut units = Vec::new();
        for peer in peers {
            units.extend(self.client.units(*peer).await?);
        }
        Ok(units)
    }

    /// Deploys the function, or goes on with its deal; gives the deal.
    pub(in super::super) async fn deploy(&self, printer: &Printer) -> anyhow::Result<u64> {
        let plan = format!(
            "# What `mp deploy apply` was given.\n\
             name = \"hello\"\ncus_per_worker = 1\nmin_workers = 1\ntarget_workers = 2\n\
             limit_price = \"0.005\"\nfunds = \"{}\"\n\n\
             [function]\npath = \"hello.wasm\"\n\n\
             [spread]\nmax_per_provider = 1\n",
            self.settings.funds
        );
        self.write_new("hello.wasm", functions::HELLO)?;
        let file = self.write_new("hello.toml", plan.as_bytes())?;
        let developer = self.developer()?;
        self.wake(&developer).await?;
        let apply = Apply {
            source: PlanFile {
                file,
                // Workers on this machine will, at once.
                skip_compile: true,
                fetch: Fetch::default(),
            },
            another: false,
            detach: false,
            wait: Duration::from_secs(120),
            give: Give {
                listen: local(0),
                announce: None,
            },
            gateway: self.gateway()?,
        };
        let applied = apply::apply(&self.client, &developer, printer, &apply).await?;
        self.deployed(printer, &applied);
        Ok(applied.deal)
    }

    /// A deal that ran out of money while nobody looked goes on.
    async fn wake(&self, developer: &AccountKey) -> anyhow::Result<()> {
        let amount = parse_usdc(self.settings.funds).map_err(anyhow::Error::msg)?;
        for each in self.client.deals_of(developer.address(), None, 256).await? {
            if each.status == Status::Paused {
                let deal = DealId(each.id);
                let call = Call::Deal(deal::Call::TopUp { deal, amount });
                self.client.send(developer, &call).await?;
            }
        }
        Ok(())
    }

    fn deployed(&self, printer: &Printer, applied: &Applied) {
        let value = serde_json::to_value(applied).unwrap_or_default();
        let answer = match &applied.answer {
            Some(first) => format!("HTTP {} from worker {}", first.status, first.worker),
            None => "no answer yet".to_owned(),
        };
        let how = match (applied.posted, &applied.answer) {
            (true, Some(first)) => format!(
                "{} paid in, {answer} after {:.1} s",
                usdc(applied.funds),
                first.after_ms as f64 / 1_000.0
            ),
            _ => answer,
        };
        self.step(
            printer,
            "deal",
            value,
            &format!("deal {}: {how}", applied.deal),
        );
    }
}

/// As long as may be. A fifth of what units earn is their delegator's.
fn terms() -> commit::Terms {
    commit::Terms {
        duration: COMMITMENT,
        class: 1,
        share: 200_000,
        min_ask: Usdc::ZERO,
        delegator: None,
        payout: None,
    }
}
