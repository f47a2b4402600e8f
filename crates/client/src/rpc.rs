//! The connection to a node: limits and timeouts (K1), retries (K2), what is still under way (K8), and errors in words.

use crate::Error;
use alloy_primitives::{Address, Bytes, U64};
use jsonrpsee_core::client::{ClientT as _, Error as RpcError};
use jsonrpsee_http_client::{HttpClient, HttpClientBuilder, types::ErrorObjectOwned};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, OnceCell};

/// Time for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of an answer. Lists come in pages that are far smaller.
const MAX_ANSWER_BYTES: u32 = 16 << 20;
/// Bytes of a question.
const MAX_QUESTION_BYTES: u32 = 2 << 20;
/// Pauses before a read is tried again.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];
/// How long transactions that were sent before are waited for, and how often they are looked at.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// JSON-RPC's code for a contract that reverted.
const REVERTED: i32 = 3;

/// A node, seen from outside. Clones share the connection and the order of nonces.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    url: String,
    http: HttpClient,
    chain_id: OnceCell<u64>,
    submitting: Mutex<()>,
    acts_for: Option<Address>,
    settled: OnceCell<()>,
}

impl Client {
    /// A client of the node at `url`, such as `http://127.0.0.1:8545`. Nothing is sent yet.
    ///
    /// # Errors
    /// If `url` makes no sense.
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::open(url, None)
    }

    /// The same for somebody who acts for `account`: before the first question it waits until nothing that the account
    /// has sent is under way, so that a command which was cut short can look at what it has done, and go on.
    ///
    /// # Errors
    /// If `url` makes no sense.
    pub fn acting_for(url: &str, account: Address) -> Result<Self, Error> {
        Self::open(url, Some(account))
    }

    fn open(url: &str, acts_for: Option<Address>) -> Result<Self, Error> {
        let http = HttpClientBuilder::default()
            .request_timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .max_request_size(MAX_QUESTION_BYTES)
            .max_response_size(MAX_ANSWER_BYTES)
            .build(url)
            .map_err(|error| Error::Address {
                url: url.to_owned(),
                reason: error.to_string(),
            })?;
        let shared = Shared {
            url: url.to_owned(),
            http,
            chain_id: OnceCell::new(),
            submitting: Mutex::new(()),
            acts_for,
            settled: OnceCell::new(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The node's address.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    pub(crate) fn known_chain_id(&self) -> &OnceCell<u64> {
        &self.shared.chain_id
    }

    /// Held from asking for a nonce to handing over the transaction that has it.
    pub(crate) fn submitting(&self) -> &Mutex<()> {
        &self.shared.submitting
    }

    /// Asks for something that changes nothing; tries again when the node cannot be reached.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        method: &'static str,
        parameters: Vec<Value>,
    ) -> Result<T, Error> {
        let settled = &self.shared.settled;
        settled.get_or_try_init(|| self.settle()).await?;
        self.again(method, parameters).await
    }

    /// Waits until everything that the account has sent is in blocks.
    async fn settle(&self) -> Result<(), Error> {
        let Some(account) = self.shared.acts_for else {
            return Ok(());
        };
        let count = async |at: &str| -> Result<U64, Error> {
            self.again("eth_getTransactionCount", vec![json!(account), json!(at)])
                .await
        };
        let began = Instant::now();
        // In this order: what is executed in between has no chance to look as if it had not been sent.
        while count("latest").await? < count("pending").await? {
            let waited = began.elapsed();
            if waited > PATIENCE {
                return Err(Error::UnderWay { account, waited });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    async fn again<T: DeserializeOwned>(
        &self,
        method: &'static str,
        parameters: Vec<Value>,
    ) -> Result<T, Error> {
        for pause in PAUSES {
            match self.once(method, parameters.clone()).await {
                Err(error) if error.retry_helps() => tokio::time::sleep(pause).await,
                answer => return answer,
            }
        }
        self.once(method, parameters).await
    }

    /// Asks once, whatever comes of it.
    pub(crate) async fn once<T: DeserializeOwned>(
        &self,
        method: &'static str,
        parameters: Vec<Value>,
    ) -> Result<T, Error> {
        let answer = self.shared.http.request(method, parameters).await;
        answer.map_err(|error| self.failed(method, error))
    }

    fn failed(&self, method: &'static str, error: RpcError) -> Error {
        match error {
            RpcError::Call(object) => said(method, &object),
            RpcError::ParseError(error) => Error::Malformed {
                method,
                reason: error.to_string(),
            },
            RpcError::InvalidRequestId(error) => Error::Malformed {
                method,
                reason: error.to_string(),
            },
            other => Error::Unreachable {
                url: self.shared.url.clone(),
                reason: causes(&other),
            },
        }
    }
}

/// An error and what is behind it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

/// What an error that the node answers with means.
fn said(method: &'static str, object: &ErrorObjectOwned) -> Error {
    let data = object
        .data()
        .map(|raw| serde_json::from_str::<Bytes>(raw.get()));
    if let (REVERTED, Some(Ok(output))) = (object.code(), data) {
        return refused(&output);
    }
    Error::Rejected {
        method,
        code: object.code(),
        message: object.message().to_owned(),
    }
}

/// What `output`, that a call reverted with, means.
pub(crate) fn refused(output: &[u8]) -> Error {
    match abi::refusal::explain(output) {
        Some(explained) => Error::Refused {
            what: explained.what,
            hint: explained.hint,
        },
        None => Error::Refused {
            what: format!(
                "a contract reverted with {}",
                Bytes::copy_from_slice(output)
            ),
            hint: "look the error up in the contract's own interface",
        },
    }
}
