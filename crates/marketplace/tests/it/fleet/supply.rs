//! Peers with their units, and a commitment of each: made in the first epoch, active from the second on.

use super::{Chain, Dice, Fate, Fleet, Kind, Peer, Settings, Validator};
use crate::names::{address, peer_id, registration};
use crate::typical::{register_datacenter, register_provider};
use crate::world::World;
use marketplace::audit::AUDITS;
use marketplace::units::{Address, CommitmentId, DatacenterId, Epoch, Flt, Price, ProviderId};
use marketplace::{Call, Params, Reply, commitment, peer, pool};
use std::collections::BTreeMap;

const FLT: u128 = 1_000_000_000_000_000_000;
/// Units of a peer, one peer after the other: up to as many as one may have.
const SIZES: [u64; 4] = [256, 128, 64, 32];
/// Peers of a provider.
const PEERS: usize = 64;

impl World {
    /// One in which units prove, with a price of FLT and what they are to earn, in millionths of a dollar.
    pub(crate) fn of_provers(params: &Params, flt_price_micro: u64, reward_usd_micro: u64) -> Self {
        let oracle = address("oracle");
        let params = Params {
            oracle,
            ..params.clone()
        };
        let mut world = Self::new(params, &[]);
        world.state_price(flt_price_micro, reward_usd_micro);
        let fund = Flt(1_000_000_000 * FLT);
        let call = Call::Pool(pool::Call::Fund);
        world.call_with(oracle, &call, fund).expect("a fund");
        world
    }

    pub(crate) fn state_price(&mut self, flt_price_micro: u64, reward_usd_micro: u64) {
        let call = pool::Call::SetPrice {
            flt_price_micro,
            reward_usd_micro,
        };
        let call = Call::Pool(call);
        self.call(address("oracle"), &call).expect("a price");
    }

    /// A provider of this account, with its datacenter.
    pub(crate) fn provider(&mut self, owner: Address) -> (ProviderId, DatacenterId) {
        let reply = self.call(owner, &register_provider());
        let Ok(Reply::Provider(provider)) = reply else {
            panic!("{reply:?}");
        };
        let mut call = register_datacenter();
        if let Call::Datacenter(marketplace::datacenter::Call::Register(datacenter)) = &mut call {
            datacenter.provider = provider;
        }
        match self.call(owner, &call) {
            Ok(Reply::Datacenter(datacenter)) => (provider, datacenter),
            other => panic!("{other:?}"),
        }
    }

    /// Commits a peer, and deposits all its collateral.
    pub(crate) fn pledge(&mut self, owner: Address, new: commitment::New) -> CommitmentId {
        let call = Call::Commitment(commitment::Call::Create(new));
        let reply = self.call(owner, &call);
        let Ok(Reply::Commitment(commitment)) = reply else {
            panic!("{reply:?}");
        };
        let row = self.read(|cx| commitment::get(cx.store, commitment));
        let collateral = row.expect("it is there").collateral();
        let call = Call::Commitment(commitment::Call::Deposit { commitment });
        self.call_with(owner, &call, collateral)
            .expect("collateral");
        commitment
    }

    /// Whether an audit is not over.
    pub(crate) fn is_audited(&self) -> bool {
        let first = self.read(|cx| AUDITS.first(cx.store, &(), None));
        first.is_some()
    }
}

/// What a peer commits itself to, of this class and for so many epochs.
pub(crate) fn terms(name: &str, payout: Address, class: u8, duration: u64) -> commitment::New {
    commitment::New {
        peer: peer_id(name),
        duration,
        class,
        share_ppm: 0,
        min_ask: Price::ZERO,
        delegator: None,
        payout,
    }
}

impl Fleet {
    /// Commits all units, and waits for the second epoch.
    pub(super) fn commit_all(settings: Settings) -> Self {
        let params = Params {
            audit_budget: settings.audit_budget,
            ..Params::default()
        };
        let (flt, reward) = (1_000_000, 330_000);
        let mut world = World::of_provers(&params, flt, reward);
        world.every = Some(settings.every);
        world.audited = settings.every < u64::MAX;
        let threads = settings.threads as usize;
        let validator = Validator::new(threads, settings.hash_us, params.steps_per_leaf);
        let first = params.first_window(Epoch(2));
        let mut fleet = Self {
            chain: Chain::new(world, validator),
            dice: Dice::new(settings.seed),
            peers: Vec::new(),
            by_id: BTreeMap::new(),
            by_operator: BTreeMap::new(),
            by_commitment: BTreeMap::new(),
            agenda: BTreeMap::new(),
            first,
            last: first + settings.windows,
            fates: [(); 7].map(|()| Fate::default()),
            drawn: BTreeMap::new(),
            blocks: 0,
            settings,
        };
        fleet.supply();
        let begins = params.window_begins(first).0;
        while fleet.chain.world.now < begins {
            let step = params.max_step_seconds;
            fleet
                .chain
                .world
                .block(step.min(begins - fleet.chain.world.now));
        }
        fleet.chain.world.events.clear();
        fleet
    }

    fn supply(&mut self) {
        let (mut left, mut place) = (self.settings.units, (ProviderId(0), DatacenterId(0)));
        let mut owner = Address::default();
        for (number, size) in SIZES.into_iter().cycle().enumerate() {
            if left == 0 {
                return;
            }
            if number % PEERS == 0 {
                owner = address(&format!("o{number}"));
                place = self.chain.world.provider(owner);
            }
            let units = size.min(left) as u16;
            left -= u64::from(units);
            self.add_peer(owner, place, number, units);
        }
    }

    fn add_peer(
        &mut self,
        owner: Address,
        (provider, datacenter): (ProviderId, DatacenterId),
        number: usize,
        units: u16,
    ) {
        let name = format!("p{number}");
        let new = registration(&name, provider, datacenter, units);
        let (id, operator) = (new.peer, new.operator);
        let world = &mut self.chain.world;
        let call = Call::Peer(peer::Call::Register(new));
        world.call(owner, &call).expect("a peer");
        let commitment = world.pledge(owner, terms(&name, owner, 1, 30));
        let kind = self.kind_of(number as u64);
        self.by_id.insert(id, number);
        self.by_operator.insert(operator, number);
        self.by_commitment.insert(commitment, number);
        let fate = &mut self.fates[kind as usize];
        fate.peers += 1;
        fate.units += u64::from(units);
        self.peers.push(Peer {
            kind,
            id,
            operator,
            units,
        });
    }

    /// One of each size is of a kind; liars are spread evenly over a thousand of these groups.
    fn kind_of(&self, number: u64) -> Kind {
        // 389 has no factor in common with 1,000, so each remainder comes up once.
        let mut place = number / SIZES.len() as u64 * 389 % 1_000;
        for kind in Kind::ALL {
            let share = self.settings.per_thousand[kind as usize];
            if place < share {
                return kind;
            }
            place -= share;
        }
        Kind::Honest
    }
}
