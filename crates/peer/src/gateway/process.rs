//! The process of a gateway: routes from the chain, requests to workers.

use super::{
    Acme, AcmeError, Dns, Limits, Settings,
    acme::{self, Orders},
    certificate::{Certificates, Files},
    follow::{self, Followed},
    hold::{Holder, Holds, Wants},
    local::Ways,
    monitor::{Monitor, Watch},
    record::Log,
    serve,
};
use crate::{
    daemon::{Error, Stop, announce},
    overlay::{self, Overlay, Store},
    pages::Pages,
};
use client::{AccountKey, Client, PeerKey};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_util::task::AbortOnDropHandle;

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
    /// Gets certificates for names that no file is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acme: Option<Acme>,
    /// Where its overlay endpoint listens (UDP); port 0 takes a free one.
    pub listen: SocketAddr,
    /// Deals are reached as `<deal>.<domain>` and `<deal>.<owner>.<domain>`, and everywhere as `/<deal>/`.
    #[serde(default = "domain")]
    pub domain: String,
    /// Whom to ask for proofs that other domains are deals': `system`, or a server. Nobody is asked if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    /// Data folders of peers on this machine that are run by the same user: their workers are reached at their sockets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PathBuf>,
    /// Ends workers that are away, of deals whose monitor this gateway's account is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<Watch>,
    /// Whose functions it holds for peers; nobody's if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Holds>,
    /// Where a line of JSON for each request goes: a file, or `-` for standard output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
    /// Where figures and health are served over HTTP, for whoever watches the machine: `/metrics` and `/health`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<SocketAddr>,
    /// Domains of deals that need no proof.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub domains: BTreeMap<String, u64>,
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
            acme: None,
            listen,
            domain: domain(),
            dns: None,
            peers: Vec::new(),
            monitor: None,
            holds: None,
            log: None,
            metrics: None,
            domains: BTreeMap::new(),
        }
    }
}

fn domain() -> String {
    "localhost".into()
}

/// Runs a gateway until SIGTERM or SIGINT. Unless it holds functions, its overlay key is a new one each time: anybody may
/// send requests. Prints one line of JSON when it serves.
///
/// # Errors
/// It cannot begin; later trouble is the world's, and is waited out.
pub async fn run(config: Config) -> Result<(), Error> {
    let stop = Stop::new()?;
    let gateway = Listening::open(config).await?;
    announce(&gateway.ready)?;
    gateway.serve(stop).await;
    Ok(())
}

/// A gateway that listens, and does not serve yet.
pub(crate) struct Listening {
    /// What it says when it serves.
    pub(crate) ready: serde_json::Value,
    client: Client,
    holds: Option<(Wants, Holder)>,
    overlay: Overlay,
    peers: Vec<PathBuf>,
    settings: Settings,
    _renewing: Option<AbortOnDropHandle<()>>,
}

impl Listening {
    /// # Errors
    /// A file that the configuration names cannot be used, or an address not be listened at.
    pub(crate) async fn open(config: Config) -> Result<Self, Error> {
        let client = Client::new(&config.rpc)?;
        let store = Store::open(&config.data.join("artifacts"))?;
        let (directory, served) = watch::channel(Arc::default());
        let limits = overlay::Limits::default();
        let key = config.holds.as_ref().map(|holds| PeerKey::load(&holds.key));
        let key = key.transpose().map_err(client::Error::from)?;
        let seed = key.map_or_else(rand::random, |key| key.overlay_seed());
        let overlay = Overlay::open(seed, config.listen, limits, store.clone(), served).await?;
        let http = TcpListener::bind(config.http).await?;
        let mut ready = serde_json::json!({
            "ready": "gateway",
            "http": http.local_addr()?,
            "overlay": overlay.listens(),
        });
        let mut renewing = None;
        let mut orders = None;
        let mut https = None;
        if let Some(listen) = config.https {
            let (certificates, ordering) = certificates(&config)?;
            let listener = TcpListener::bind(listen).await?;
            ready["https"] = listener.local_addr()?.to_string().into();
            https = Some((listener, certificates.acceptor()?));
            renewing = Some(AbortOnDropHandle::new(tokio::spawn(certificates.follow())));
            orders = ordering;
        } else if config.acme.is_some() {
            return Err(AcmeError::NoHttps.into());
        }
        let monitor = match config.monitor {
            Some(watch) => Some(Monitor {
                client: client.clone(),
                key: AccountKey::load(&watch.key).map_err(client::Error::from)?,
                patience_ms: watch.patience_ms,
            }),
            None => None,
        };
        let pages = match config.metrics {
            Some(listen) => Some(Pages::open(listen).await?),
            None => None,
        };
        if let Some(pages) = &pages {
            ready["metrics"] = pages.listens()?.to_string().into();
        }
        let holds = config.holds.map(|holds| {
            let (key, owners) = (overlay.id(), holds.owners);
            let holder = Holder {
                overlay: overlay.clone(),
                store,
                directory,
                most: holds.most,
            };
            (Wants { key, owners }, holder)
        });
        Ok(Self {
            ready,
            client,
            holds,
            overlay,
            peers: config.peers,
            settings: Settings {
                http,
                https,
                domain: config.domain,
                domains: config.domains,
                dns: config.dns,
                log: Log::open(config.log.as_deref())?,
                pages,
                monitor,
                orders,
                limits: Limits::default(),
            },
            _renewing: renewing,
        })
    }

    /// Serves until it is told to stop, and lets end what is under way.
    pub(crate) async fn serve(self, mut stop: Stop) {
        let (routes, watched) = watch::channel(Arc::default());
        let account = self.settings.monitor.as_ref().map(Monitor::account);
        let (wants, holder) = self.holds.unzip();
        let following = follow::run(self.client, Followed::All(account), wants, routes);
        let _following = AbortOnDropHandle::new(tokio::spawn(following));
        let holding = holder.map(|holder| tokio::spawn(holder.run(watched.clone())));
        let _holding = holding.map(AbortOnDropHandle::new);
        let dial = Ways {
            overlay: self.overlay.clone(),
            peers: self.peers,
        };
        serve(self.settings, watched, dial, stop.wait()).await;
        self.overlay.close().await;
    }
}

/// Those in files, and who orders others.
fn certificates(config: &Config) -> Result<(Arc<Certificates>, Option<Orders>), Error> {
    let (asked, heard) = mpsc::channel(acme::ASKED);
    let asked = config.acme.is_some().then_some(asked);
    let certificates = Certificates::open(config.certificates.clone(), asked)?;
    let Some(settings) = config.acme.clone() else {
        return Ok((certificates, None));
    };
    let folder = config.data.join("acme");
    let (domain, domains) = (&config.domain, &config.domains);
    let orders = Orders::open(settings, domain, domains, &folder, &certificates, heard)?;
    Ok((certificates, Some(orders)))
}

#[cfg(test)]
mod tests {
    use super::Config;

    const GUIDE: &str = include_str!("../../../../docs/guides/gateway.md");

    #[test]
    fn the_configuration_of_the_guide_says_everything_and_its_first_lines_are_enough() {
        let (_, rest) = GUIDE.split_once("```toml\n").expect("a configuration");
        let (text, _) = rest.split_once("```").expect("its end");
        let config: Config = toml::from_str(text).expect("a configuration");
        let every = toml::to_string(&config).expect("text");
        for field in [
            "https",
            "certificates",
            "acme",
            "domain",
            "dns",
            "domains",
            "peers",
            "monitor",
            "holds",
            "log",
            "metrics",
        ] {
            assert!(every.contains(field), "no {field} in {every}");
        }
        let (least, _) = text.split_once("\n\n").expect("a pause");
        let config: Config = toml::from_str(least).expect("a configuration");
        let new = Config::new(
            config.rpc.clone(),
            config.data.clone(),
            config.http,
            config.listen,
        );
        assert_eq!(config, new);
    }
}
