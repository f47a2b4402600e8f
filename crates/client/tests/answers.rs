//! What the client makes of a node that answers well, badly or not at all. The node here is a script of answers.

use alloy_primitives::{Address, Bytes};
use client::marketplace::refusal::{Object, Refusal};
use client::marketplace::units::{DealId, Flt, Usdc};
use client::marketplace::{Call, deal};
use client::{AccountKey, Client, Error};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// One answer of the script.
#[derive(Clone, Debug)]
enum Answer {
    Result(Value),
    Error(Value),
    /// The connection closes without an answer.
    Silence,
    /// An answer that claims to have this many bytes.
    Bytes(usize),
}

/// Serves the script, one answer a connection; gives the client and, at the end, the methods that were asked.
async fn node(script: Vec<Answer>) -> (Client, JoinHandle<Vec<String>>) {
    let (url, asked) = serving(script).await;
    (Client::new(&url).unwrap(), asked)
}

async fn serving(script: Vec<Answer>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let mut methods = Vec::new();
        for answer in script {
            let (stream, _) = listener.accept().await.unwrap();
            methods.push(serve(stream, answer).await);
        }
        methods
    });
    (url, asked)
}

async fn serve(stream: TcpStream, answer: Answer) -> String {
    let mut stream = BufReader::new(stream);
    let question = question(&mut stream).await;
    let id = &question["id"];
    let body = match &answer {
        Answer::Result(result) => {
            json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
        }
        Answer::Error(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string(),
        Answer::Silence | Answer::Bytes(_) => String::new(),
    };
    let length = match answer {
        Answer::Bytes(length) => length,
        _ => body.len(),
    };
    if !matches!(answer, Answer::Silence) {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        let text = format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(text.as_bytes()).await.unwrap();
    }
    question["method"].as_str().unwrap().to_owned()
}

async fn question(stream: &mut BufReader<TcpStream>) -> Value {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn top_up() -> Call {
    let (deal, amount) = (DealId(7), Usdc(1));
    Call::Deal(deal::Call::TopUp { deal, amount })
}

/// Answers up to the point where a transaction is handed over.
fn until_submission() -> Vec<Answer> {
    let answers = ["0x5208", "0x7a69", "0x3b9aca00", "0x1", "0x0"];
    answers.map(|answer| Answer::Result(json!(answer))).to_vec()
}

fn reverts_with(refusal: Refusal) -> Answer {
    let data = Bytes::from(abi::refusal::encode(&refusal.into()));
    Answer::Error(json!({ "code": 3, "message": "execution reverted", "data": data }))
}

/// (K2)
#[tokio::test]
async fn a_read_is_tried_again_and_the_chain_id_is_asked_once() {
    let script = vec![Answer::Silence, Answer::Result(json!("0x7a69"))];
    let (client, asked) = node(script).await;
    assert_eq!(client.chain_id().await.unwrap(), 31_337);
    assert_eq!(client.chain_id().await.unwrap(), 31_337);
    assert_eq!(asked.await.unwrap(), ["eth_chainId", "eth_chainId"]);
}

/// (K8)
#[tokio::test]
async fn who_acts_for_an_account_waits_once_for_what_it_has_sent() {
    let counts = ["0x6", "0x7", "0x7", "0x7", "0x10", "0x10"];
    let script = counts.map(|count| Answer::Result(json!(count))).to_vec();
    let (url, asked) = serving(script).await;
    let client = Client::acting_for(&url, Address::ZERO).unwrap();
    assert_eq!(client.height().await.unwrap(), 16);
    assert_eq!(client.height().await.unwrap(), 16);
    let (count, height) = ("eth_getTransactionCount", "eth_blockNumber");
    assert_eq!(
        asked.await.unwrap(),
        [count, count, count, count, height, height]
    );
}

/// (K1)
#[tokio::test]
async fn a_node_that_never_answers_is_given_up() {
    let (client, asked) = node(vec![Answer::Silence; 3]).await;
    let error = client.height().await.unwrap_err();
    assert!(
        error.retry_helps() && error.to_string().contains("\nhint: "),
        "{error}"
    );
    assert_eq!(asked.await.unwrap().len(), 3);
}

/// (K1)
#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read() {
    let (client, asked) = node(vec![Answer::Bytes(1 << 30); 3]).await;
    let error = client.height().await.unwrap_err().to_string();
    assert!(error.contains("too"), "{error}");
    asked.await.unwrap();
}

/// (K2)
#[tokio::test]
async fn an_answer_of_another_shape_is_an_error_and_not_tried_again() {
    let (client, asked) = node(vec![Answer::Result(json!({ "height": 7 }))]).await;
    let error = client.height().await.unwrap_err();
    assert!(matches!(&error, Error::Malformed { .. }), "{error}");
    assert_eq!(asked.await.unwrap(), ["eth_blockNumber"]);
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let (client, asked) = node(vec![Answer::Result(Value::Null)]).await;
    let error = client.deal(DealId(7)).await.unwrap_err();
    assert!(
        error.to_string().starts_with("there is no deal 7\nhint: "),
        "{error}"
    );
    assert_eq!(asked.await.unwrap(), ["market_deal"]);
}

/// (K4)
#[tokio::test]
async fn a_call_that_would_be_refused_is_not_sent() {
    let refusal = Refusal::Unknown(Object::Deal(DealId(7)));
    let (client, asked) = node(vec![reverts_with(refusal.clone())]).await;
    let error = client
        .send(&AccountKey::generate(), &top_up())
        .await
        .unwrap_err();
    let expected = format!("refused: there is no deal 7\nhint: {}", refusal.hint());
    assert_eq!(error.to_string(), expected);
    assert_eq!(asked.await.unwrap(), ["eth_estimateGas"]);
}

/// (K3)
#[tokio::test]
async fn a_transaction_is_handed_over_once_and_named_when_it_is_lost_on_the_way() {
    let mut script = until_submission();
    script.push(Answer::Silence);
    let (client, asked) = node(script).await;
    let sent = client
        .send_flt(&AccountKey::generate(), Address::ZERO, Flt(1))
        .await;
    let error = sent.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Pending {
                waited: Duration::ZERO,
                ..
            }
        ),
        "{error}"
    );
    let asked = asked.await.unwrap();
    assert_eq!(
        asked
            .iter()
            .filter(|method| *method == "eth_sendRawTransaction")
            .count(),
        1
    );
    assert_eq!(asked.len(), 6, "{asked:?}");
}

/// (K5)
#[tokio::test]
async fn a_transaction_that_failed_in_its_block_says_why() {
    let hash = format!("0x{}", "22".repeat(32));
    let receipt = json!({
        "type": "0x2", "status": "0x0", "cumulativeGasUsed": "0x5208", "logs": [],
        "logsBloom": format!("0x{}", "00".repeat(256)), "transactionHash": hash, "transactionIndex": "0x0",
        "blockHash": hash, "blockNumber": "0x9", "gasUsed": "0x5208", "effectiveGasPrice": "0x1",
        "from": Address::ZERO, "to": Address::ZERO, "contractAddress": null,
    });
    let mut script = until_submission();
    script.push(Answer::Result(json!(hash)));
    script.extend([Answer::Result(Value::Null), Answer::Result(receipt)]);
    let state = "ended";
    let object = Object::Deal(DealId(7));
    script.push(reverts_with(Refusal::WrongState { object, state }));
    let (client, asked) = node(script).await;
    let error = client
        .send(&AccountKey::generate(), &top_up())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("failed in block 9: deal 7 is ended\nhint: "),
        "{text}"
    );
    assert_eq!(asked.await.unwrap().len(), 9);
}
