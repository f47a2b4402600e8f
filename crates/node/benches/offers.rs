//! Calls about offers through execution: full blocks one after the other, each with its state root and result on
//! disk, as a validator's executor makes them. No consensus, no network.
//!
//! `cargo xtask bench offers` prints one line of JSON. Every call is a signed transaction of another provider.

#[path = "../../cli/benches/mp/cpu.rs"]
mod cpu;
#[path = "clearing/executor.rs"]
mod executor;
#[expect(dead_code, reason = "the tests of execution use the rest")]
#[path = "../../execution/tests/blocks/harness.rs"]
mod harness;

use abi::{MARKETPLACE, calldata};
use alloy_consensus::TxEip1559;
use alloy_primitives::Bytes;
use commonware_runtime::{
    Runner as _,
    tokio::{Config, Context, Runner},
};
use ed25519_dalek::{Signer as _, SigningKey};
use execution::fee::BLOCK_GAS_LIMIT;
use executor::Executor;
use harness::{CHAIN_ID, Key, genesis_for, transaction};
use marketplace::units::{Address, DatacenterId, Hash, OfferId, PeerId, Price, ProviderId, Usdc};
use marketplace::{Call, datacenter, demand, offer, peer, provider};
use serde_json::{Value, json};
use std::{error::Error, time::Instant};

const PROVIDERS: u64 = 1000;
/// Of each provider, in one offer.
const PEERS: u64 = 8;
/// New prices of all providers.
const ROUNDS: u64 = 5;
/// Demands that wait for a price that nobody offers.
const DEMANDS: u64 = 100;
/// Above what all offers ask in the end.
const PRICE: u128 = 1_000_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = Config::default().with_storage_directory(folder.path());
    Runner::new(config).start(measure)
}

async fn measure(context: Context) -> Result<()> {
    let mut market = Market::open(context).await?;
    market.all(register).await?;
    market.all(place).await?;
    for number in 0..PEERS {
        market.all(|provider| join(provider, number)).await?;
    }
    let post = market.all(post).await?;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        rounds.push(market.all(|provider| set_price(provider, round)).await?);
    }
    market.some(DEMANDS, |_| ask()).await?;
    let mut waited_for = Vec::new();
    for round in ROUNDS..2 * ROUNDS {
        waited_for.push(market.all(|provider| set_price(provider, round)).await?);
    }
    let figures = json!({
        "bench": "offers",
        "providers": PROVIDERS,
        "peers_per_offer": PEERS,
        "post": summary(&[post]),
        "set_price": summary(&rounds),
        "set_price_while_demands_wait": summary(&waited_for),
        "demands": DEMANDS,
    });
    println!("{figures}");
    Ok(())
}

/// One call of many providers.
struct Round {
    per_s: f64,
    cpu_us: f64,
    gas: u64,
}

/// Medians.
fn summary(rounds: &[Round]) -> Value {
    let median = |figure: fn(&Round) -> f64| {
        let mut figures: Vec<_> = rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2].round()
    };
    json!({
        "calls_per_s": median(|round| round.per_s),
        "cpu_us_per_call": median(|round| round.cpu_us),
        "gas_per_call": rounds[0].gas,
    })
}

/// An executor, and the accounts of providers.
struct Market {
    keys: Vec<Key>,
    executor: Executor,
}

impl Market {
    async fn open(context: Context) -> Result<Self> {
        let keys: Vec<_> = (0..PROVIDERS)
            .map(|number| Key::new(&format!("provider {number}")))
            .collect();
        let executor = Executor::open(context, &genesis_for(&keys)).await?;
        Ok(Self { keys, executor })
    }

    async fn all(&mut self, call: impl Fn(u64) -> Call) -> Result<Round> {
        self.some(PROVIDERS, call).await
    }

    /// The first `count` providers make a call each; blocks are as full as gas allows. What the first call costs in
    /// gas, the others may take a quarter more than: what was changed earlier in a block counts.
    async fn some(&mut self, count: u64, call: impl Fn(u64) -> Call) -> Result<Round> {
        let first = self.sign(0, &call(0), 2_000_000);
        let gas = self.block(vec![first]).await?;
        let limit = gas + gas / 4;
        let signed: Vec<_> = (1..count)
            .map(|number| self.sign(number, &call(number), limit))
            .collect();
        let blocks: Vec<_> = signed
            .chunks((BLOCK_GAS_LIMIT / limit) as usize)
            .map(<[_]>::to_vec)
            .collect();
        let (began, cpu) = (Instant::now(), cpu::seconds("self")?);
        for block in blocks {
            self.block(block).await?;
        }
        let calls = signed.len() as f64;
        Ok(Round {
            per_s: calls / began.elapsed().as_secs_f64(),
            cpu_us: (cpu::seconds("self")? - cpu) / calls * 1e6,
            gas,
        })
    }

    fn sign(&self, number: u64, call: &Call, gas_limit: u64) -> Bytes {
        let key = self.keys[number as usize];
        key.sign(TxEip1559 {
            gas_limit,
            // So many full blocks make gas dear.
            max_fee_per_gas: 100_000_000_000_000,
            ..transaction(
                self.executor.chain.nonce(key),
                MARKETPLACE,
                calldata::encode(call),
            )
        })
    }

    /// Executes a block and makes it durable; gives the gas it used.
    async fn block(&mut self, transactions: Vec<Bytes>) -> Result<u64> {
        let count = transactions.len();
        let outcome = self.executor.block(transactions, |_| {}).await?;
        let succeeded = outcome
            .receipts
            .iter()
            .filter(|receipt| receipt.succeeded && receipt.gas_used > 0);
        if succeeded.count() != count {
            return Err(format!("a call failed: {:?}", outcome.skipped).into());
        }
        Ok(outcome.gas_used)
    }
}

fn register(number: u64) -> Call {
    Call::Provider(provider::Call::Register {
        name: format!("Provider {number}"),
        metadata: Hash::default(),
        attributes: Vec::new(),
    })
}

/// Providers, datacenters and offers are numbered from 1 in the order of these calls.
fn place(number: u64) -> Call {
    Call::Datacenter(datacenter::Call::Register(datacenter::Datacenter {
        provider: ProviderId(number + 1),
        country: datacenter::Country(*b"CH"),
        city: "ZRH".into(),
        name: "one".into(),
        certifications: Vec::new(),
        attributes: Vec::new(),
    }))
}

fn peer_key(provider: u64, number: u64) -> SigningKey {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&(provider * PEERS + number).to_be_bytes());
    SigningKey::from_bytes(&seed)
}

fn peer_id(provider: u64, number: u64) -> PeerId {
    PeerId(peer_key(provider, number).verifying_key().to_bytes())
}

fn join(provider: u64, number: u64) -> Call {
    let key = peer_key(provider, number);
    let peer = peer_id(provider, number);
    let message = peer::registration_message(CHAIN_ID, ProviderId(provider + 1), peer);
    let mut operator = Address([0; 20]);
    operator.0.copy_from_slice(&peer.0[..20]);
    Call::Peer(peer::Call::Register(peer::Registration {
        datacenter: DatacenterId(provider + 1),
        peer,
        signature: key.sign(&message).to_bytes(),
        operator,
        endpoints: vec!["127.0.0.1:1".into()],
        oldest_version: 1,
        newest_version: 1,
        attributes: Vec::new(),
        units: 32,
    }))
}

fn post(number: u64) -> Call {
    Call::Offer(offer::Call::Post {
        datacenter: DatacenterId(number + 1),
        curve: offer::Curve::flat(Price(PRICE)),
        terms: offer::Terms::any(),
        peers: (0..PEERS).map(|peer| peer_id(number, peer)).collect(),
    })
}

/// A little less each round, which holds at once.
fn set_price(number: u64, round: u64) -> Call {
    let curve = offer::Curve::flat(Price(PRICE - 1 - u128::from(round)));
    Call::Offer(offer::Call::SetPrice {
        offer: OfferId(number + 1),
        curve,
    })
}

/// A demand that nobody takes at its price.
fn ask() -> Call {
    let source = demand::Source {
        key: peer_id(0, 0),
        endpoint: "127.0.0.1:2".into(),
    };
    let artifact = demand::Artifact {
        sources: vec![source],
        ..demand::Artifact::new(Hash([1; 32]), 1000)
    };
    Call::Demand(demand::Call::Post {
        terms: demand::Terms::one_worker(artifact, Price(PRICE / 2)),
        escrow: Usdc(10_000_000),
    })
}
