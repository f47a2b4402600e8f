//! JSON-RPC bodies of any shape, to a real node: each is answered or the connection closed, and the next good one is
//! answered well.

use crate::{
    dice::{Dice, Fuzz},
    support::Network,
};
use alloy_primitives::{Address, Bytes};
use client::{
    AccountKey, Client,
    marketplace::{
        Call,
        demand::{self, Artifact, Terms},
        units::{Flt, Hash, Price, Usdc},
    },
};
use serde_json::{Value, json};
use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::Duration,
};

/// Long enough for a slow machine; an answer that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a node says about one call, at most, besides what it repeats of the question.
const MAX_MESSAGE: usize = 1_000;

const METHODS: [&str; 59] = [
    "eth_chainId",
    "eth_blockNumber",
    "eth_syncing",
    "eth_accounts",
    "eth_gasPrice",
    "eth_maxPriorityFeePerGas",
    "eth_feeHistory",
    "eth_getBalance",
    "eth_getTransactionCount",
    "eth_getCode",
    "eth_getStorageAt",
    "eth_call",
    "eth_estimateGas",
    "eth_sendRawTransaction",
    "eth_getTransactionByHash",
    "eth_getTransactionReceipt",
    "eth_getBlockByNumber",
    "eth_getBlockByHash",
    "eth_getBlockReceipts",
    "eth_getBlockTransactionCountByNumber",
    "eth_getLogs",
    "eth_subscribe",
    "eth_unsubscribe",
    "net_version",
    "net_listening",
    "net_peerCount",
    "web3_clientVersion",
    "web3_sha3",
    "market_time",
    "market_parameters",
    "market_params",
    "market_provider",
    "market_record",
    "market_records",
    "market_providers",
    "market_providersOf",
    "market_datacenter",
    "market_datacenters",
    "market_peer",
    "market_peers",
    "market_offer",
    "market_offers",
    "market_deal",
    "market_deals",
    "market_dealsOf",
    "market_worker",
    "market_workersOf",
    "market_subnet",
    "market_commitment",
    "market_commitments",
    "market_commitmentsOf",
    "market_pledge",
    "market_units",
    "market_window",
    "market_proving",
    "market_audit",
    "market_audits",
    "market_pool",
    "market_explain",
];

/// What parameters are made of.
struct Stuff {
    /// Some that are right somewhere, and what looks like it.
    values: Vec<Value>,
    dice: Dice,
}

impl Stuff {
    fn new(dice: Dice, account: Address, transaction: &str, block: &str) -> Self {
        let market = "0x4d61726b6574706c616365000000000000000001";
        let values = vec![
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(3),
            json!(65_536),
            json!(u64::MAX),
            json!(0.5),
            json!(1e300),
            json!(""),
            json!("0x"),
            json!("0x0"),
            json!("0x1"),
            json!("0x00000001"),
            json!("0x123"),
            json!("0xffffffffffffffff"),
            json!("0x10000000000000000"),
            json!("0xzz"),
            json!("latest"),
            json!("pending"),
            json!("earliest"),
            json!("finalized"),
            json!("newHeads"),
            json!("logs"),
            json!(account),
            json!(market),
            json!(format!("0x{}", "0".repeat(64))),
            json!(format!("0x{}", "f".repeat(64))),
            json!(format!("0x{}", "f".repeat(65))),
            json!(transaction),
            json!(block),
            json!([]),
            json!({}),
            json!({ "blockHash": block }),
            json!({ "blockNumber": "0x1", "requireCanonical": true }),
            json!({ "fromBlock": "earliest", "toBlock": "latest" }),
            json!({ "fromBlock": "0x0", "toBlock": "0xffffffffffffffff", "topics": [[], null] }),
            json!({ "blockHash": block, "topics": [null, null, null, null, null] }),
            json!({ "fromBlock": "0xffffffffffffffff", "toBlock": "0x0" }),
            json!({ "to": market, "data": "0x01020304" }),
            json!({ "to": account, "from": account, "value": "0x1", "gas": "0x5208" }),
            json!({ "to": market, "gas": "0xffffffffffffffff", "gasPrice": format!("0x{}", "f".repeat(32)) }),
            json!({ "data": "0x5b600056", "gas": "0xffffffffffffffff" }),
            json!({ "data": "0x600a600c600039600a6000f3602a60805260206080f3" }),
            json!({ "to": account, "input": "0x00", "data": "0x01" }),
            json!({ "deal": 1 }),
            json!({ "owner": account, "call": posting() }),
            json!({ "owner": account, "call": "0x01020304" }),
            json!([0, 50, 100]),
            json!([1e300, -1e300]),
        ];
        Self { values, dice }
    }

    fn value(&mut self) -> Value {
        match self.dice.below(20) {
            0 => json!("0x".to_owned() + &"ab".repeat(self.dice.below(100_000))),
            1 => json!("x".repeat(self.dice.below(100_000))),
            2 => json!(vec![self.dice.of(&self.values); self.dice.below(1_000)]),
            3 => {
                let mut value = self.dice.of(&self.values);
                for _ in 0..self.dice.below(100) {
                    value = if self.dice.one_in(2) {
                        json!([value])
                    } else {
                        json!({ "to": value })
                    };
                }
                value
            }
            4 => {
                // An object with one field of another shape.
                let mut value = self.dice.of(&self.values);
                let other = self.dice.of(&self.values);
                if let Some(fields) = value.as_object_mut() {
                    let names: Vec<_> = fields.keys().cloned().collect();
                    let name = match names.is_empty() {
                        true => "to".into(),
                        false => self.dice.of(&names),
                    };
                    fields.insert(name, other);
                }
                value
            }
            _ => self.dice.of(&self.values),
        }
    }

    fn call(&mut self) -> Value {
        let method = self.dice.of(&METHODS);
        let params = match self.dice.below(10) {
            0 => self.value(),
            _ => (0..self.dice.below(5)).map(|_| self.value()).collect(),
        };
        let mut call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        if self.dice.one_in(10) {
            let field = self.dice.of(&["jsonrpc", "id", "method"]);
            call[field] = self.value();
        }
        call
    }

    fn body(&mut self) -> Vec<u8> {
        match self.dice.below(12) {
            0 => {
                let length = self.dice.of(&[0, 1, 2, 63, 64, 65, 2_000]);
                let calls: Vec<_> = (0..length).map(|_| self.call()).collect();
                json!(calls).to_string().into_bytes()
            }
            1 | 2 => {
                let mut body = self.call().to_string().into_bytes();
                self.dice.mutate(&mut body);
                body
            }
            3 => {
                let each = self
                    .dice
                    .of(&["[", "{\"params\":", "[{\"a\":[", "\"", "-", "1"]);
                each.repeat(self.dice.below(300_000)).into_bytes()
            }
            4 => self.odd_numbers(),
            _ => self.call().to_string().into_bytes(),
        }
    }

    /// What no library would write.
    fn odd_numbers(&mut self) -> Vec<u8> {
        let method = self.dice.of(&METHODS);
        let number = self.dice.of(&[
            "1e999",
            "-0",
            "18446744073709551616",
            "0123",
            "1.0",
            "NaN",
            "\"\\ud800\"",
            "\"\\u0000\"",
            "1,",
            "",
        ]);
        let id = self
            .dice
            .of(&["1", "-1", "1e999", "null", "\"\"", "[]", "{}"]);
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":[{number},{number},{number}]}}"#
        );
        call.into_bytes()
    }

    /// Most requests are HTTP as it should be.
    fn request(&mut self) -> Request {
        let body = self.body();
        let mut hangs_up = true;
        let length = match self.dice.below(60) {
            0 => body.len() + 10,
            1 => body.len() / 2,
            2 => usize::MAX,
            _ => {
                hangs_up = false;
                body.len()
            }
        };
        let kind = match self.dice.below(60) {
            0 => "text/plain",
            1 => "application/json; charset=utf-16",
            _ => "application/json",
        };
        let mut bytes = head("POST", kind, length).into_bytes();
        match self.dice.below(60) {
            0 => bytes = head("GET", kind, length).into_bytes(),
            1 => {
                self.dice.mutate(&mut bytes);
                hangs_up = true;
            }
            _ => {}
        }
        bytes.extend(body);
        Request { bytes, hangs_up }
    }
}

/// Calldata of posting a demand.
fn posting() -> Bytes {
    let terms = Terms::one_worker(Artifact::new(Hash([1; 32]), 1), Price(1));
    let escrow = Usdc(2);
    let call = demand::Call::Post { terms, escrow };
    abi::calldata::encode(&Call::Demand(call)).into()
}

struct Request {
    bytes: Vec<u8>,
    /// Nothing more will come, though the node may expect it.
    hangs_up: bool,
}

fn head(method: &str, kind: &str, length: usize) -> String {
    format!(
        "{method} / HTTP/1.1\r\nhost: test\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n"
    )
}

/// What comes back until the connection is closed; it may be nothing.
fn ask(address: &str, request: &Request) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("a node listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    // A node need not read what it refuses, nor say anything when it has closed.
    let _ = stream.write_all(&request.bytes);
    if request.hangs_up {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no answer in {PATIENCE:?}"),
        _ => answer,
    }
}

/// Status and body.
fn parts(answer: &[u8]) -> Option<(u16, &str)> {
    let answer = str::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).expect("a status");
    Some((status.parse().expect("a number"), body))
}

/// One answer to one call, which was in a request of `most` bytes.
fn check(answer: &Value, request: &str, most: usize) {
    assert_eq!(answer["jsonrpc"], "2.0", "{answer} to {request}");
    let Some(error) = answer.get("error") else {
        assert!(answer.get("result").is_some(), "{answer} to {request}");
        return;
    };
    let message = error["message"].as_str().unwrap_or_default();
    assert!(
        !message.is_empty() && error["code"].is_i64(),
        "{error} to {request}"
    );
    let data = error.get("data").and_then(Value::as_str).unwrap_or("");
    let length = message.len() + data.len();
    assert!(
        length <= MAX_MESSAGE + most,
        "{length} bytes of message to {request}"
    );
}

#[test]
fn whatever_is_asked_a_node_answers_and_goes_on() {
    let account = AccountKey::generate();
    let network = Network::start(1, &[account.address()]);
    let address = network.rpc(0).strip_prefix("http://").expect("http");
    let client = Client::new(network.rpc(0)).expect("a URL");
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let sent = runtime.block_on(client.faucet(&account, Usdc(1)));
    let sent = sent.expect("a receipt");
    let block = good(address, "eth_getBlockByNumber", &json!(["latest"]));
    let block = block["hash"].as_str().expect("a hash");
    let hash = sent.hash.to_string();

    let mut fuzz = Fuzz::begin();
    while let Some(dice) = fuzz.round() {
        let dice = Dice::new(dice.roll());
        let mut stuff = Stuff::new(dice, account.address(), &hash, block);
        let request = stuff.request();
        let asked = request.bytes.len();
        let answer = ask(address, &request);
        let shown = String::from_utf8_lossy(&request.bytes);
        let shown: String = shown.chars().take(2_000).collect();
        if let Some((status, body)) = parts(&answer) {
            // 500: a part of what was announced never came.
            let may_be = status == 200
                || (400..500).contains(&status)
                || (status == 500 && request.hangs_up);
            assert!(may_be, "{status} to {shown}");
            if status == 200 && !body.is_empty() {
                let failed = |error| panic!("{error}: {body} to {shown}");
                let answers: Value = serde_json::from_str(body).unwrap_or_else(failed);
                match &answers {
                    // What has no id that could be one is a notification.
                    Value::Null => {}
                    Value::Array(answers) => {
                        answers.iter().for_each(|each| check(each, &shown, asked));
                    }
                    answer => check(answer, &shown, asked),
                }
            }
        }
        assert_eq!(good(address, "eth_chainId", &json!([])), "0x7a69");
        let log = network.log(0);
        for fault in ["panicked", "an RPC answer failed"] {
            assert!(!log.contains(fault), "{log}\nafter {shown}");
        }
    }
    let to = Address::repeat_byte(0xbb);
    let receipt = runtime.block_on(client.send_flt(&account, to, Flt(1)));
    assert!(receipt.is_ok(), "{receipt:?}");
}

/// The answer to a call that is right.
pub(crate) fn good(address: &str, method: &str, params: &Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let bytes = head("POST", "application/json", body.len()) + &body;
    let request = Request {
        bytes: bytes.into_bytes(),
        hangs_up: false,
    };
    let answer = ask(address, &request);
    let (_, body) = parts(&answer).expect("an answer");
    let answer: Value = serde_json::from_str(body).expect("JSON");
    answer["result"].clone()
}
