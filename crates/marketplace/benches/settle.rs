//! What it takes to bring deals up to now: a touch after few and after many epochs, and the first block of an epoch in
//! which few of many deals end. Rows in memory; each figure is a line of JSON and the median of five.

#[path = "../tests/it/names.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod names;

use marketplace::datacenter::{Country, Datacenter};
use marketplace::demand::{Artifact, Terms};
use marketplace::offer::Curve;
use marketplace::store::MemoryStore;
use marketplace::units::{
    DatacenterId, DealId, Hash, OfferId, Price, ProviderId, Seconds, Usdc, WorkerId,
};
use marketplace::{Book, Call, Cx, Error, Event, Origin, Params};
use marketplace::{datacenter, deal, demand, offer, peer, provider, worker};
use names::{address, peer_id, registration};
use std::time::Instant;

const EPOCH: u64 = 60;
/// Repetitions of each figure.
const TIMES: u64 = 5;
/// Deals touched for one figure.
const TOUCHED: u64 = 1_000;
const UNITS: u16 = 256;
const PEERS_PER_OFFER: u64 = 256;
const ARTIFACT: Hash = Hash([7; 32]);

fn main() {
    touch();
    let few = boundaries(10_000, &[1_000]);
    let many = boundaries(1_000_000, &[1_000, 10]);
    let first = few[0].1 / few[0].0 as f64;
    let figures = [(10_000, few[0]), (1_000_000, many[0]), (1_000_000, many[1])];
    for (deals, (expire, us)) in figures {
        let each = us / expire as f64;
        println!(
            r#"{{"bench":"settle","live_deals":{deals},"expire":{expire},"boundary_us":{us:.0},"us_per_expiry":{each:.2},"ratio":{:.2}}}"#,
            each / first,
        );
    }
}

/// A top-up of deals that nobody touched for so many epochs.
fn touch() {
    let mut market = Market::new();
    let after = [1, 100, 10_000];
    let deals = after.len() as u64 * TIMES * TOUCHED;
    market.grow(deals, |_| None);
    let (mut next, mut epochs, mut first) = (1, 0, None);
    for wanted in after {
        while epochs < wanted {
            let step = (wanted - epochs).min(60);
            market.block(step * EPOCH);
            epochs += step;
        }
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let began = Instant::now();
            for deal in (next..next + TOUCHED).map(DealId) {
                let amount = Usdc(1);
                market.call("alice", Call::Deal(deal::Call::TopUp { deal, amount }));
            }
            times.push(began.elapsed().as_secs_f64() * 1e6 / TOUCHED as f64);
            next += TOUCHED;
        }
        let us = median(times);
        let ratio = us / *first.get_or_insert(us);
        println!(
            r#"{{"bench":"settle","touch_after_epochs":{wanted},"touch_us":{us:.2},"ratio":{ratio:.2}}}"#
        );
    }
}

/// The first block of an epoch, when so many of so many deals end with the epoch before: those, and microseconds.
fn boundaries(deals: u64, expire: &[u64]) -> Vec<(u64, f64)> {
    let mut market = Market::new();
    // How many end with each of the first epochs.
    let counts: Vec<_> = expire
        .iter()
        .flat_map(|count| [*count; TIMES as usize])
        .collect();
    // In which epoch those that end do: mixed among each other, and scattered among all.
    let most = counts.iter().copied().max().unwrap_or_default();
    let mixed = (0..most).flat_map(|place| {
        let left = counts
            .iter()
            .zip(1..)
            .filter(move |(count, _)| place < **count);
        left.map(|(_, epoch)| epoch)
    });
    let mixed: Vec<u64> = mixed.collect();
    let distance = deals / mixed.len() as u64;
    market.grow(deals, |number| {
        let scattered = number.is_multiple_of(distance);
        let epoch = mixed
            .get((number / distance) as usize)
            .filter(|_| scattered);
        epoch.map(|epoch| Seconds(epoch * EPOCH))
    });
    let mut figures = Vec::new();
    let mut times = Vec::new();
    for (number, count) in counts.into_iter().enumerate() {
        market.end();
        let began = Instant::now();
        // Ends take effect in the first block whose time is beyond them.
        let events = market.begin(EPOCH + u64::from(number == 0));
        times.push(began.elapsed().as_secs_f64() * 1e6);
        let over = |event: &&Event| matches!(event, Event::Deal(deal::Event::Ended { .. }));
        assert_eq!(events.iter().filter(over).count() as u64, count);
        if times.len() as u64 == TIMES {
            figures.push((count, median(std::mem::take(&mut times))));
        }
    }
    figures
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

struct Market {
    store: MemoryStore,
    book: Book,
}

impl Market {
    fn new() -> Self {
        let params = Params {
            epoch_seconds: EPOCH,
            max_step_seconds: 3_600,
            start_timeout_seconds: 86_400,
            lease_seconds: 864_000,
            deposit_gwei: 0,
            due_budget: 1_000_000,
            clearing_budget: 1_000_000_000,
            ..Params::default()
        };
        let mut store = MemoryStore::default();
        let money = [(address("alice"), Usdc(1 << 90))];
        marketplace::genesis(&mut store, &params, &money).expect("genesis");
        let book = Book::default();
        let mut market = Self { store, book };
        market.begin(0);
        market.call(
            "owner",
            Call::Provider(provider::Call::Register {
                name: "P".to_owned(),
                metadata: Hash::default(),
                attributes: Vec::new(),
            }),
        );
        market.call(
            "owner",
            Call::Datacenter(datacenter::Call::Register(Datacenter {
                provider: ProviderId(1),
                country: Country(*b"DE"),
                city: "FRA".to_owned(),
                name: "hall".to_owned(),
                certifications: Vec::new(),
                attributes: Vec::new(),
            })),
        );
        market
    }

    /// So many deals of one running worker each, all since the same second. Supply comes peer by peer, so that
    /// demands find it at once.
    fn grow(&mut self, deals: u64, duration: impl Fn(u64) -> Option<Seconds>) {
        let mut number = 0;
        for peer in 0.. {
            let name = format!("peer {peer}");
            let new = registration(&name, ProviderId(1), DatacenterId(1), UNITS);
            self.call("owner", Call::Peer(peer::Call::Register(new)));
            let peer_id = peer_id(&name);
            let offer = match peer % PEERS_PER_OFFER {
                0 => offer::Call::Post {
                    datacenter: DatacenterId(1),
                    curve: Curve::flat(Price(100)),
                    terms: offer::Terms::any(),
                    peers: vec![peer_id],
                },
                _ => offer::Call::AddPeer {
                    offer: OfferId(peer / PEERS_PER_OFFER + 1),
                    peer: peer_id,
                },
            };
            self.call("owner", Call::Offer(offer));
            let first = number;
            while number < deals && number < first + u64::from(UNITS) {
                self.call("alice", post_demand(duration(number)));
                number += 1;
            }
            self.block(0);
            for worker in (first + 1..=number).map(WorkerId) {
                let artifact = ARTIFACT;
                let running = worker::Call::Running { worker, artifact };
                self.call(&name, Call::Worker(running));
            }
            if number == deals {
                return;
            }
        }
    }

    fn act<T>(
        store: &mut MemoryStore,
        caller: &str,
        act: impl FnOnce(&mut Cx<'_, MemoryStore>) -> Result<T, Error>,
    ) -> Vec<Event> {
        let origin = Origin {
            caller: address(caller),
            ..Origin::default()
        };
        let (mut events, mut payouts) = (Vec::new(), Vec::new());
        let cx = Cx::open(store, origin, &mut events, &mut payouts);
        cx.and_then(|mut cx| act(&mut cx)).expect("it succeeds");
        events
    }

    fn call(&mut self, caller: &str, call: Call) {
        Self::act(&mut self.store, caller, |cx| marketplace::apply(cx, call));
    }

    fn begin(&mut self, elapsed: u64) -> Vec<Event> {
        Self::act(&mut self.store, "", |cx| {
            marketplace::begin_block(cx, Seconds(elapsed), &[])
        })
    }

    fn end(&mut self) {
        let book = &mut self.book;
        Self::act(&mut self.store, "", |cx| marketplace::end_block(cx, book));
    }

    /// Ends the block and begins the next.
    fn block(&mut self, elapsed: u64) {
        self.end();
        self.begin(elapsed);
    }
}

fn post_demand(duration: Option<Seconds>) -> Call {
    let terms = Terms {
        duration,
        ..Terms::one_worker(Artifact::new(ARTIFACT, 9), Price(100))
    };
    let escrow = Usdc(100_000_000);
    Call::Demand(demand::Call::Post { terms, escrow })
}
