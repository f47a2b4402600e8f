//! Every kind of process is killed at random moments: no transaction whose receipt was served is lost, no money, and
//! the deal is served again. What was killed is started again as its user would; workers are started by their peer.
//!
//! `MP_KILLS` kills more often, `MP_SEED` at other moments.

use crate::dice::{Dice, environment};
use crate::fuzz::good;
use crate::support::{FUNDS, Market, Process, amount, get, text, until};
use alloy_primitives::{Address, B256};
use client::marketplace::units::{DealId, Flt, ProviderId};
use client::{AccountKey, Client};
use peer::source::Source;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};
use tokio::runtime::Runtime;
use worker::control::PROTOCOL;

const VALIDATORS: usize = 4;
const RECIPIENT: Address = Address::repeat_byte(0xbb);

/// Accounts that have USDC: nothing of it may get lost.
const PEOPLE: [&str; 4] = [
    "provider1.json",
    "provider2.json",
    "provider3.json",
    "developer.json",
];

/// Short times, but a lease that a killed peer survives on a slow machine; and who lost it may come back.
const PARAMETERS: [&str; 6] = [
    "epoch_seconds=20",
    "min_charge_seconds=2",
    "report_seconds=1",
    "lease_seconds=20",
    "start_timeout_seconds=30",
    "exclude_epochs=0",
];

#[derive(Clone, Copy, Debug)]
enum Victim {
    Node,
    Peer,
    Gateway,
    Worker,
    Register,
    Offer,
    TopUp,
    Apply,
}

const VICTIMS: [Victim; 8] = [
    Victim::Node,
    Victim::Peer,
    Victim::Gateway,
    Victim::Worker,
    Victim::Register,
    Victim::Offer,
    Victim::TopUp,
    Victim::Apply,
];

/// All that runs, and what is known of it. Processes end before their folders go.
struct World {
    peers: Vec<Process>,
    gateway: Process,
    market: Market,
    runtime: Runtime,
    dice: Dice,
    sender: AccountKey,
    /// Transactions whose receipts were served, and their blocks.
    served: BTreeMap<B256, u64>,
    /// Datacenters that the third provider describes in its file.
    datacenters: u64,
    /// Plans that were applied besides the one that runs.
    plans: u128,
}

/// (D2)
#[test]
fn killing_processes_at_random_loses_no_served_transaction_and_no_money() {
    let dice = Dice::from_environment();
    let mut world = World::begin(dice);
    let before = world.money();
    world.deploy();
    world.assert_served();
    let mut victims = Vec::new();
    for round in 0..environment("MP_KILLS", 8) {
        if victims.is_empty() {
            victims = VICTIMS.to_vec();
        }
        let victim = victims.swap_remove(world.dice.below(victims.len()));
        println!("round {round}: {victim:?}");
        world.kill(victim);
    }
    world.assert_served();
    world.assert_kept();
    world.settle_up(before);
}

impl World {
    fn begin(mut dice: Dice) -> Self {
        let sender = "sender.json";
        let people = [&PEOPLE[..], &[sender]].concat();
        let market = Market::open(VALIDATORS, &people, &PARAMETERS);
        let mut node = || dice.below(VALIDATORS);
        let peers = vec![
            market.provide(1, "CH", node()),
            market.provide(2, "PT", node()),
        ];
        let gateway = market.gateway(node());
        let sender = AccountKey::load(&market.path(sender)).expect("a key");
        Self {
            peers,
            gateway,
            market,
            runtime: Runtime::new().expect("threads"),
            dice,
            sender,
            served: BTreeMap::new(),
            datacenters: 0,
            plans: 0,
        }
    }

    fn client(&self, node: usize) -> Client {
        Client::new(self.market.network.rpc(node)).expect("a URL")
    }

    fn key(&self, name: &str) -> AccountKey {
        AccountKey::load(&self.market.path(name)).expect("a key")
    }

    /// All USDC of all accounts, in millionths.
    fn money(&self) -> u128 {
        let client = self.client(0);
        let money = PEOPLE.map(|name| {
            let owner = self.key(name).address();
            self.runtime
                .block_on(client.usdc(owner))
                .expect("an answer")
                .0
        });
        money.iter().sum()
    }

    /// The deal of this test, its function given away by the test itself.
    fn deploy(&self) {
        let listen = "127.0.0.1:0".parse().expect("an address");
        let folder = self.market.path("source");
        let source = self
            .runtime
            .block_on(Source::open([9; 32], listen, &folder));
        let source = source.expect("a free port");
        let plan = self.market.plan(&source);
        let function = self.market.path("hello.wasm");
        let artifact = source
            .add(&fs::read(&function).expect("a file"))
            .expect("kept")
            .0;
        let client = self.client(1);
        self.runtime
            .spawn(async move { source.serve(&client, DealId(1), artifact).await });
        let applied = self.market.run(
            "developer.json",
            &["deploy", "apply", "--detach", text(&plan)],
        );
        assert_eq!(applied["deal"], 1);
    }

    /// Both workers answer through the gateway.
    fn assert_served(&self) {
        let http = self.gateway.ready["http"].as_str().expect("an address");
        let mut workers = BTreeSet::new();
        until("both workers answer", || {
            if let Some((200, worker)) = get(http, "/1/hello") {
                workers.insert(worker);
            }
            workers.len() == 2
        });
    }

    fn kill(&mut self, victim: Victim) {
        let after = Duration::from_millis(self.dice.roll() % 1_000);
        match victim {
            Victim::Node => {
                let node = self.dice.below(VALIDATORS);
                self.while_sending(node + 1, after, |world| world.market.network.kill(node));
                self.market.network.restart(node);
            }
            Victim::Peer => {
                let peer = self.dice.below(self.peers.len());
                self.while_sending(0, after, |world| world.peers[peer].kill());
                self.peers[peer].restart();
            }
            Victim::Gateway => {
                self.while_sending(0, after, |world| world.gateway.kill());
                self.gateway.restart();
            }
            Victim::Worker => {
                let peer = self.dice.below(self.peers.len()) + 1;
                self.while_sending(0, after, |world| world.kill_a_worker(peer));
            }
            Victim::Register => self.kill_register(after),
            Victim::Offer => self.kill_offer(after / 2),
            Victim::TopUp => self.kill_top_up(after / 2),
            Victim::Apply => self.kill_apply(after / 2),
        }
    }

    /// Kills while transactions go in at another validator, `first` or one after it.
    fn while_sending(&mut self, first: usize, after: Duration, kill: impl FnOnce(&mut Self)) {
        let witness = (first + self.dice.below(VALIDATORS - 1)) % VALIDATORS;
        let (client, sender) = (self.client(witness), self.sender.clone());
        let sending = self.runtime.spawn(async move {
            let mut served = Vec::new();
            for _ in 0..3 {
                let receipt = client.send_flt(&sender, RECIPIENT, Flt(1)).await;
                let receipt = receipt.unwrap_or_else(|error| panic!("by {witness}: {error}"));
                served.push((receipt.hash, receipt.height));
            }
            served
        });
        std::thread::sleep(after);
        kill(self);
        let served = self.runtime.block_on(sending);
        self.served.extend(served.expect("receipts"));
    }

    /// Kills a worker of a peer by the process id that it tells.
    fn kill_a_worker(&mut self, peer: usize) {
        let folder = self.market.path(&format!("p{peer}")).join("workers");
        let mut pid = None;
        until("a worker runs", || {
            let mut workers = fs::read_dir(&folder).expect("a folder");
            pid = workers.find_map(|worker| worker_pid(&worker.ok()?.path()));
            pid.is_some()
        });
        kill_process(pid.expect("found"), Signal::KILL).expect("it runs");
    }

    /// The third provider has one more datacenter and registers it.
    fn kill_register(&mut self, after: Duration) {
        self.datacenters += 1;
        let peer = format!("idle{}.json", self.datacenters);
        crate::support::run(&["key", "new", "--peer", text(&self.market.path(&peer))]);
        let mut supply = "name = \"Provider 3\"\n".to_owned();
        for number in 1..=self.datacenters {
            let described = format!(
                "[[datacenters]]\ncountry = \"FR\"\ncity = \"XXX\"\nname = \"{number}\"\n\
                 [[datacenters.peers]]\nkey = \"idle{number}.json\"\nunits = 1\n"
            );
            supply.push_str(&described);
        }
        let supply = self.market.write("supply3.toml", &supply);
        let command = ["provider", "register", text(&supply)];
        self.kill_command("provider3.json", &command, after);
        self.market.run("provider3.json", &command);

        let client = self.client(0);
        let owner = self.key("provider3.json").address();
        let (providers, datacenters, peers) = self.runtime.block_on(async {
            let providers = client.providers_of(owner).await.expect("an answer");
            let provider = ProviderId(providers[0].id);
            let datacenters = client.datacenters(provider, None, 256).await;
            let peers = client.peers(provider, None, 256).await;
            let peers = peers.expect("an answer").len() as u64;
            let datacenters = datacenters.expect("an answer").len() as u64;
            (providers.len(), datacenters, peers)
        });
        assert_eq!(
            (providers, datacenters, peers),
            (1, self.datacenters, self.datacenters),
            "everything is registered once"
        );
    }

    /// The third provider offers, dearer than anybody would pay, what it registered last.
    fn kill_offer(&mut self, after: Duration) {
        if self.datacenters == 0 {
            self.kill_register(after);
        }
        let client = self.client(0);
        let owner = self.key("provider3.json").address();
        let providers = self.runtime.block_on(client.providers_of(owner));
        let provider = ProviderId(providers.expect("an answer")[0].id);
        let datacenters = self
            .runtime
            .block_on(client.datacenters(provider, None, 256));
        let newest = datacenters.expect("an answer").last().expect("one").id;
        let datacenter = format!("--datacenter={newest}");
        let price = format!("--price={}", 10 + self.dice.below(90));
        let command = ["provider", "offer", &datacenter, &price];
        self.kill_command("provider3.json", &command, after);
        self.market.run("provider3.json", &command);

        let offers = self.runtime.block_on(client.offers(provider, None, 256));
        let offers = offers.expect("an answer").into_iter();
        let ours: Vec<_> = offers.filter(|offer| offer.datacenter == newest).collect();
        assert_eq!(ours.len(), 1, "one offer for the datacenter: {ours:?}");
        assert_eq!(ours[0].peers.len(), 1, "its peer stands in it");
    }

    /// What a killed top-up did is seen on the chain; if it did nothing it is run again.
    fn kill_top_up(&mut self, after: Duration) {
        let developer = self.key("developer.json").address();
        let client = self.client(0);
        let has = |world: &Self| {
            world
                .runtime
                .block_on(client.usdc(developer))
                .expect("an answer")
                .0
        };
        let command = ["deploy", "top-up", "1", "1"];
        let before = has(self);
        self.kill_command("developer.json", &command, after);
        self.wait_for_pending("developer.json");
        if has(self) == before {
            self.market.run("developer.json", &command);
        }
        assert_eq!(before - has(self), 1_000_000, "paid once");
    }

    /// A plan that nobody would serve is posted once, however often it is applied, and can be stopped.
    fn kill_apply(&mut self, after: Duration) {
        self.plans += 1;
        let plan = fs::read_to_string(self.market.path("plan.toml")).expect("the plan");
        let mut plan = plan.replace("\"0.50\"", "\"0.01\"");
        write!(
            plan,
            "[[requirements]]\nof = \"peer\"\nkey = \"number\"\ntest = \"=\"\nvalue = {}\n",
            self.plans
        )
        .expect("a string");
        let plan = self.market.write("plan2.toml", &plan);
        let command = ["deploy", "apply", "--detach", text(&plan)];
        let known = self.open_deals();
        self.kill_command("developer.json", &command, after);
        let applied = self.market.run("developer.json", &command);
        let posted: Vec<u64> = self.open_deals().difference(&known).copied().collect();
        assert_eq!(posted.len(), 1, "posted once: {posted:?}");
        assert_eq!(applied["deal"], posted[0]);
        let deal = posted[0].to_string();
        let stopped = self
            .market
            .run("developer.json", &["deploy", "stop", &deal]);
        assert_eq!(amount(&stopped["amount"]), FUNDS);
    }

    fn open_deals(&self) -> BTreeSet<u64> {
        let deals = self.market.run("developer.json", &["deploy", "status"]);
        let deals = deals.as_array().expect("a list").iter();
        let over = [
            "cancelled",
            "stopped",
            "completed",
            "unfunded",
            "badArtifact",
        ];
        deals
            .filter(|deal| !over.contains(&deal["status"].as_str().expect("a status")))
            .map(|deal| deal["id"].as_u64().expect("an id"))
            .collect()
    }

    fn command(&self, who: &str, arguments: &[&str]) -> Child {
        let key = self.market.path(who);
        let mut command = crate::support::mp();
        command.env_remove("MP_KEY").env_remove("MP_RPC");
        command.args(["--key", text(&key), "--rpc", self.market.network.rpc(0)]);
        let command = command.args(arguments).stdout(Stdio::null());
        command.stderr(Stdio::null()).spawn().expect("mp runs")
    }

    fn kill_command(&self, who: &str, arguments: &[&str], after: Duration) {
        let mut child = self.command(who, arguments);
        std::thread::sleep(after);
        let ended = child.try_wait().expect("a child");
        let how = if ended.is_some() {
            "had ended"
        } else {
            "was killed"
        };
        println!("  {} {} {how} after {after:?}", arguments[0], arguments[1]);
        let _ = child.kill(); // It may have ended.
        child.wait().expect("it ends");
    }

    /// Until all that an account has sent is in blocks.
    fn wait_for_pending(&self, who: &str) {
        let account = self.key(who).address();
        let address = self.market.network.rpc(0).strip_prefix("http://");
        let address = address.expect("http");
        until("what was sent is in a block", || {
            let count = |at| good(address, "eth_getTransactionCount", &json!([account, at]));
            count("pending") == count("latest")
        });
    }

    /// Every validator has every receipt that any of them served.
    fn assert_kept(&self) {
        let head = *self.served.values().max().expect("some were served");
        for node in 0..VALIDATORS {
            let client = self.client(node);
            until("a validator catches up", || {
                self.runtime.block_on(client.height()).expect("an answer") >= head
            });
            for (hash, height) in &self.served {
                let receipt = self
                    .runtime
                    .block_on(client.receipt(*hash))
                    .expect("an answer");
                let receipt = receipt.unwrap_or_else(|| panic!("validator {node} lost {hash}"));
                assert_eq!(receipt.block_number, Some(*height), "on validator {node}");
            }
            let received = self
                .runtime
                .block_on(client.flt(RECIPIENT))
                .expect("an answer");
            assert_eq!(
                received,
                Flt(self.served.len() as u128),
                "on validator {node}"
            );
            assert_no_fault(&self.market.network.log(node));
        }
        self.peers
            .iter()
            .for_each(|peer| assert_no_fault(&peer.log()));
        assert_no_fault(&self.gateway.log());
    }

    /// The developer stops, providers withdraw, and everybody together has what they had.
    fn settle_up(&self, before: u128) {
        let refund = amount(&self.market.run("developer.json", &["deploy", "stop", "1"])["amount"]);
        let paid: u128 = ["provider1.json", "provider2.json"]
            .map(|owner| amount(&self.market.run(owner, &["provider", "withdraw"])[0]["paid"]))
            .iter()
            .sum();
        println!("{refund} came back, {paid} paid");
        assert!(refund > 0 && paid > 0);
        assert_eq!(self.money(), before, "every unit is somebody's");
    }
}

/// The process id that a worker tells at its control socket.
fn worker_pid(folder: &Path) -> Option<Pid> {
    let mut stream = UnixStream::connect(folder.join("control.sock")).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    writeln!(
        stream,
        "{}",
        json!({ "request": "hello", "protocol": PROTOCOL })
    )
    .ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    let hello: Value = serde_json::from_str(&line).ok()?;
    Pid::from_raw(i32::try_from(hello["pid"].as_i64()?).ok()?)
}

/// Being killed is no fault; a panic is.
fn assert_no_fault(log: &str) {
    assert!(!log.contains("panicked"), "{log}");
}
