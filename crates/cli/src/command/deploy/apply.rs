//! `mp deploy apply`: posts a plan, gives the function's bytes to the deal's peers, and watches until it answers.

use super::plan::{PlanFile, load, post, say_imports};
use crate::amount::usdc;
use crate::chain::{Chain, all};
use crate::http::{self, Message};
use crate::import::Moved;
use crate::plan::{Function, Plan};
use crate::printer::Printer;
use alloy_primitives::Address;
use anyhow::Context as _;
use clap::Args;
use client::marketplace::demand::Source as Holder;
use client::marketplace::units::{DealId, PeerId};
use client::sol::IDemand::DemandPosted;
use client::view::deal::{Deal, Status};
use client::view::demand::Demand;
use client::{AccountKey, Client};
use peer::source::Source;
use serde::Serialize;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

/// Distance of looks at the deal while it is waited for.
const LOOK: Duration = Duration::from_millis(100);

/// How a plan is applied.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    pub(crate) source: PlanFile,
    /// Post it although a deal of yours already runs the same.
    #[arg(long)]
    pub(crate) another: bool,
    /// Leave once it is posted. The plan must name sources that hold the function.
    #[arg(long)]
    pub(crate) detach: bool,
    /// How long to wait for the first answer.
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = humantime::parse_duration)]
    pub(crate) wait: Duration,
    #[command(flatten)]
    pub(crate) give: Give,
    /// The gateway that is asked for the first answer.
    #[arg(long, value_name = "URL", env = "MP_GATEWAY", default_value = super::GATEWAY)]
    pub(crate) gateway: String,
}

/// How this machine gives a function's bytes to peers, if the plan names no sources.
#[derive(Debug, Args)]
pub(crate) struct Give {
    /// Where this machine gives the function's bytes to peers (UDP), if the plan names no sources.
    #[arg(long, value_name = "HOST:PORT", default_value = "0.0.0.0:0")]
    pub(crate) listen: SocketAddr,
    /// What peers are told about that address; by default the one that this machine reaches the node from.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) announce: Option<String>,
}

/// What became of a plan.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Applied {
    pub(crate) deal: u64,
    /// Whether it was posted now, or goes on.
    pub(crate) posted: bool,
    #[serde(with = "client::view::decimal")]
    pub(crate) funds: u128,
    /// Where it is reached.
    pub(crate) url: Option<String>,
    /// The first answer, if it was waited for.
    pub(crate) answer: Option<First>,
}

/// The first answer of a deal's function.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct First {
    pub(crate) status: u16,
    pub(crate) worker: String,
    /// Milliseconds since the plan was read.
    pub(crate) after_ms: u64,
}

/// This machine as the source of a function.
pub(super) struct Given {
    pub(super) source: Source,
    pub(super) holder: Holder,
    /// Ends with the copy of the function in it.
    _folder: tempfile::TempDir,
}

pub(super) async fn run(chain: &Chain, printer: &Printer, apply: &Apply) -> anyhow::Result<()> {
    let applied = self::apply(&chain.client()?, &chain.account()?, printer, apply).await?;
    let mut text = match applied.posted {
        true => format!("deal {}: {} paid in\n", applied.deal, usdc(applied.funds)),
        false => format!("deal {} runs this plan already\n", applied.deal),
    };
    if let Some(First {
        status,
        worker,
        after_ms,
    }) = &applied.answer
    {
        text += &format!("HTTP {status} from worker {worker} after {after_ms} ms\n");
    }
    if let Some(url) = &applied.url {
        text += &format!("it serves at {url}\n");
    }
    text += &format!("watch it with `mp deploy status {}`", applied.deal);
    printer.result(&applied, &text);
    Ok(())
}

/// Posts a plan unless a deal runs it already, and stays until its function answers.
pub(crate) async fn apply(
    client: &Client,
    account: &AccountKey,
    printer: &Printer,
    apply: &Apply,
) -> anyhow::Result<Applied> {
    let began = Instant::now();
    let (mut plan, function) = load(&apply.source, Some(account), Moved::Refused).await?;
    say_imports(printer, &function);
    let gives = gives(apply.detach, &plan, &function)?;
    let running = match apply.another {
        true => None,
        false => same(client, account.address(), &plan).await?,
    };
    let given = match gives {
        true => Some(give(client, account, &apply.give, &function, running.as_ref()).await?),
        false => None,
    };
    let (deal, posted) = match &running {
        Some(deal) => (DealId(deal.id), false),
        None => {
            plan.terms
                .artifact
                .sources
                .extend(given.iter().map(|given| given.holder.clone()));
            let receipt = client.send(account, &post(&plan)).await?;
            (DealId(receipt.first::<DemandPosted>()?.deal), true)
        }
    };
    let mut applied = Applied {
        deal: deal.0,
        posted,
        funds: plan.funds.0,
        url: None,
        answer: None,
    };
    if apply.detach {
        return Ok(applied);
    }
    confide(given.as_ref(), deal, &function)?;
    printer.note(&match posted {
        true => format!("deal {deal}: posted, {} paid in", usdc(plan.funds.0)),
        false => format!(
            "deal {deal} runs the same plan: going on with it (--another posts it once more)"
        ),
    });
    let giving = async {
        match &given {
            Some(given) => {
                let artifact = plan.terms.artifact.hash;
                given.source.serve(client, deal, artifact).await
            }
            None => std::future::pending().await,
        }
    };
    let answering = answers(client, printer, deal, &apply.gateway);
    let first = tokio::select! {
        never = giving => match never {},
        first = tokio::time::timeout(apply.wait, answering) => first,
    };
    if let Some(given) = given {
        given.source.close().await;
    }
    let Ok(first) = first else {
        anyhow::bail!(
            "deal {deal} does not answer after {}; it stays as it is\nhint: see `mp deploy status {deal}`; apply again to go on, or `mp deploy stop {deal}` for your money back",
            humantime::format_duration(apply.wait)
        );
    };
    if let Some((status, worker)) = first? {
        let after_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        applied.url = Some(address(&apply.gateway, deal));
        applied.answer = Some(First {
            status,
            worker,
            after_ms,
        });
    }
    Ok(applied)
}

/// Where a gateway serves a deal.
pub(super) fn address(gateway: &str, deal: DealId) -> String {
    format!("{}/{deal}/", gateway.trim_end_matches('/'))
}

/// Whether this machine gives the function to peers: unless it is to leave at once, which it may if others have all of it.
pub(super) fn gives(detach: bool, plan: &Plan, function: &Function) -> anyhow::Result<bool> {
    anyhow::ensure!(
        !detach || function.secrets.is_none(),
        "nobody would give the secrets to the peers\nhint: stay until the function runs (without --detach)"
    );
    anyhow::ensure!(
        !detach || !plan.terms.artifact.sources.is_empty(),
        "nobody would give the function to the peers\nhint: stay until it runs (without --detach), or name [[function.sources]] in the plan"
    );
    Ok(!detach)
}

/// A deal of the owner that is not over and has the same terms.
async fn same(client: &Client, owner: Address, plan: &Plan) -> anyhow::Result<Option<Deal>> {
    let page =
        async |after: Option<u64>, limit| client.deals_of(owner, after.map(DealId), limit).await;
    let terms = Demand::from(plan.terms.clone());
    let is_same = |deal: &Deal| {
        let mut theirs = deal.terms.clone();
        // The other is this machine, which may be elsewhere by now.
        theirs
            .sources
            .retain(|source| terms.sources.contains(source));
        !is_over(deal.status) && theirs == terms
    };
    let deals = all(page, |deal| deal.id).await?;
    Ok(deals.into_iter().find(is_same))
}

pub(super) fn is_over(status: Status) -> bool {
    !matches!(
        status,
        Status::Matching | Status::Starting | Status::Active | Status::Degraded | Status::Paused
    )
}

/// Opens this machine as a source: for a deal that runs already, where it says so, otherwise where the arguments do.
pub(super) async fn give(
    client: &Client,
    account: &AccountKey,
    how: &Give,
    function: &Function,
    running: Option<&Deal>,
) -> anyhow::Result<Given> {
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let mut listen = how.listen;
    if let Some(port) = running.and_then(|deal| announced_port(deal, account.source())) {
        listen.set_port(port);
    }
    let source = Source::open(account.source_seed(), listen, folder.path()).await;
    let source = source.with_context(|| {
        format!("the function cannot be given to peers from {listen}\nhint: choose another address with --listen")
    })?;
    source
        .add(&function.artifact)
        .context("no copy of the function can be kept")?;
    let endpoint = match &how.announce {
        Some(announced) => announced.clone(),
        None => {
            let port = source.listens().first().map_or(0, SocketAddr::port);
            let ip = match listen.ip().is_unspecified() {
                true => own_address(client.url()).await?,
                false => listen.ip(),
            };
            SocketAddr::new(ip, port).to_string()
        }
    };
    let key = source.key();
    Ok(Given {
        source,
        holder: Holder { key, endpoint },
        _folder: folder,
    })
}

/// Has the function's secrets ready for the deal's peers.
pub(super) fn confide(
    given: Option<&Given>,
    deal: DealId,
    function: &Function,
) -> anyhow::Result<()> {
    if let (Some(given), Some(secrets)) = (given, &function.secrets) {
        let confided = given.source.confide(deal, secrets);
        confided.context("no copy of the secrets can be kept")?;
    }
    Ok(())
}

/// The port that the deal says its owner gives the function from.
fn announced_port(deal: &Deal, source: PeerId) -> Option<u16> {
    let mut sources = deal.terms.sources.iter();
    let ours = sources.find(|other| other.key.0 == source.0)?;
    let (_, port) = ours.endpoint.rsplit_once(':')?;
    port.parse().ok()
}

/// The address of this machine that packets to the node come from.
async fn own_address(url: &str) -> anyhow::Result<IpAddr> {
    let find = async || -> anyhow::Result<IpAddr> {
        let uri: hyper::Uri = url.parse()?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(80);
        let node = tokio::net::lookup_host((host, port)).await?.next();
        let node = node.context("the node's name has no address")?;
        let any: IpAddr = match node.is_ipv4() {
            true => Ipv4Addr::UNSPECIFIED.into(),
            false => Ipv6Addr::UNSPECIFIED.into(),
        };
        // Connecting sends nothing; it chooses the way.
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(node)?;
        Ok(socket.local_addr()?.ip())
    };
    find().await.context(
        "it is not known where peers reach this machine\nhint: say so with --announce HOST:PORT",
    )
}

/// Status and worker of the first answer; none if it runs and there is no gateway.
async fn answers(
    client: &Client,
    printer: &Printer,
    deal: DealId,
    gateway: &str,
) -> anyhow::Result<Option<(u16, String)>> {
    let mut last = String::new();
    loop {
        let now = client.deal(deal).await?;
        let line = progress(&now);
        if line != last {
            printer.note(&format!("deal {deal}: {line}"));
            last = line;
        }
        anyhow::ensure!(
            !is_over(now.status),
            "deal {deal} is over: {last}\nhint: see `mp deploy status {deal}`"
        );
        anyhow::ensure!(
            now.status != Status::Paused,
            "deal {deal} is paused: its money is used up\nhint: `mp deploy top-up {deal} AMOUNT`"
        );
        if now.live() > 0 {
            match http::request(&address(gateway, deal), Message::default()).await {
                Ok(answer) => {
                    if let Some(worker) = answer.worker {
                        return Ok(Some((answer.status, worker)));
                    }
                }
                Err(error) if now.live() >= now.terms.min_workers => {
                    printer.note(&format!(
                        "deal {deal}: no gateway at {gateway} to ask ({error})\nhint: name one with --gateway"
                    ));
                    return Ok(None);
                }
                Err(_) => {}
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn progress(deal: &Deal) -> String {
    let placed = deal.workers.iter().map(|worker| {
        let stage = format!("{:?}", worker.stage).to_lowercase();
        format!(
            "; worker {} {stage} on peer {} of provider {}",
            worker.id,
            short(&worker.peer.to_string()),
            worker.provider
        )
    });
    let status = format!("{:?}", deal.status).to_lowercase();
    status + &placed.collect::<String>()
}

/// Enough of a key to tell it from others.
fn short(key: &str) -> &str {
    key.get(..10).unwrap_or(key)
}
