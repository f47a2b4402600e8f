//! The process of a gateway: routes from the chain, requests to workers.

use super::{
    Limits, Routes, Settings,
    certificate::{Certificates, Files},
    serve,
};
use crate::{
    daemon::{Error, Stop, announce, members},
    overlay::{self, Address, Overlay, Route, Store},
};
use client::{Client, view::deal::Status};
use marketplace::units::DealId;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch, time::sleep};
use tokio_util::task::AbortOnDropHandle;

/// How often the node is asked for a new block.
const POLL: Duration = Duration::from_millis(250);
/// The pause after a failed attempt to reach the node.
const PAUSE: Duration = Duration::from_secs(1);
/// Deals of one page.
const PAGE: u16 = 100;

/// The configuration file of a gateway, in TOML.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// JSON-RPC address of a node.
    pub rpc: String,
    /// What the gateway keeps.
    pub data: PathBuf,
    /// Where it takes requests (TCP); port 0 takes a free one.
    pub http: SocketAddr,
    /// Where it takes requests by TLS, with one of the certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<SocketAddr>,
    /// What it shows to who comes by TLS, by the name they ask for; the first to who asks for none of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Files>,
    /// Where its overlay endpoint listens (UDP); port 0 takes a free one.
    pub listen: SocketAddr,
    /// Deals are reached as `<deal>.<domain>`, and everywhere as `/<deal>/`.
    #[serde(default = "domain")]
    pub domain: String,
}

impl Config {
    /// With what need not be said.
    #[must_use]
    pub fn new(rpc: String, data: PathBuf, http: SocketAddr, listen: SocketAddr) -> Self {
        Self {
            rpc,
            data,
            http,
            https: None,
            certificates: Vec::new(),
            listen,
            domain: domain(),
        }
    }
}

fn domain() -> String {
    "localhost".into()
}

/// Runs a gateway until SIGTERM or SIGINT. Its overlay key is a new one each time: anybody may send
/// requests. Prints one line of JSON when it serves.
///
/// # Errors
/// It cannot begin; later trouble is the world's, and is waited out.
pub async fn run(config: Config) -> Result<(), Error> {
    let mut stop = Stop::new()?;
    let client = Client::new(&config.rpc)?;
    let store = Store::open(&config.data.join("artifacts"))?;
    let (_nothing, served) = watch::channel(Arc::default());
    let limits = overlay::Limits::default();
    let seed = rand::random();
    let overlay = Overlay::open(seed, config.listen, limits, store, served).await?;
    let http = TcpListener::bind(config.http).await?;
    let mut ready = serde_json::json!({
        "ready": "gateway",
        "http": http.local_addr()?,
        "overlay": overlay.listens(),
    });
    let mut renewing = None;
    let mut https = None;
    if let Some(listen) = config.https {
        let certificates = Certificates::open(config.certificates)?;
        let listener = TcpListener::bind(listen).await?;
        ready["https"] = listener.local_addr()?.to_string().into();
        https = Some((listener, certificates.acceptor()?));
        renewing = Some(AbortOnDropHandle::new(tokio::spawn(certificates.follow())));
    }
    announce(&ready)?;
    let (routes, watched) = watch::channel(Arc::default());
    let _following = AbortOnDropHandle::new(tokio::spawn(follow(client, routes)));
    let dial = overlay.clone();
    let stopped = stop.wait();
    let settings = Settings {
        http,
        https,
        domain: config.domain,
        limits: Limits::default(),
    };
    serve(settings, watched, dial, stopped).await;
    drop(renewing);
    overlay.close().await;
    Ok(())
}

/// Keeps the routes up to date. A node that does not answer leaves them as they are.
async fn follow(client: Client, routes: watch::Sender<Arc<Routes>>) {
    let mut last = None;
    loop {
        match next(&client, last).await {
            Ok(Some((height, next))) => {
                last = Some(height);
                routes.send_if_modified(|known| {
                    let is_new = **known != next;
                    *known = Arc::new(next);
                    is_new
                });
                sleep(POLL).await;
            }
            Ok(None) => sleep(POLL).await,
            Err(error) => {
                tracing::warn!(%error, "the chain is not seen");
                sleep(PAUSE).await;
            }
        }
    }
}

/// The routes of all deals that are served, if there is a block above `last`.
async fn next(client: &Client, last: Option<u64>) -> Result<Option<(u64, Routes)>, client::Error> {
    let height = client.height().await?;
    if last.is_some_and(|last| height <= last) {
        return Ok(None);
    }
    let mut routes = Routes::new();
    let mut after = None;
    loop {
        let page = client.deals(after, PAGE).await?;
        let Some(end) = page.last().map(|deal| DealId(deal.id)) else {
            return Ok(Some((height, routes)));
        };
        let is_served = |status| {
            let waits = [Status::Starting, Status::Active, Status::Degraded];
            waits.contains(&status)
        };
        for deal in page.iter().filter(|deal| is_served(deal.status)) {
            let deal = DealId(deal.id);
            routes.insert(deal, running(client, deal).await?);
        }
        after = Some(end);
    }
}

async fn running(client: &Client, deal: DealId) -> Result<Vec<Route>, client::Error> {
    let members = members(client, deal).await?.into_iter();
    let route = |member: crate::observer::Member| Route {
        deal,
        worker: member.worker,
        address: Address {
            peer: member.peer,
            endpoints: member.endpoints,
        },
    };
    Ok(members
        .filter(|member| member.is_running)
        .map(route)
        .collect())
}
