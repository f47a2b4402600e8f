//! `mp up`: a whole marketplace on one machine, every part a process of its own.
//!
//! `world` has the folder, its files and the processes, `children` starts and ends one, `demo` goes the whole way once.
//! What is done on the chain is done by the functions behind the commands.

mod children;
mod demo;
mod world;

use crate::amount::{counted, usdc};
use crate::printer::Printer;
use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use std::{env, path::PathBuf, thread};
use tokio::signal::unix::{SignalKind, signal};
use world::{Settings, World};

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Validators of the chain; 4 go on when one fails.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    validators: u16,
    /// Go the whole way once, from registration to withdrawal, in a temporary folder with epochs of 15 seconds, and exit.
    #[arg(long)]
    demo: bool,
    /// Where everything is kept; another `mp up` goes on from there. By default marketplace-plus in the user's data folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "demo")]
    data: Option<PathBuf>,
    /// Port of the first node's JSON-RPC; those of other validators follow.
    #[arg(long, default_value_t = 8545, conflicts_with = "demo")]
    rpc_port: u16,
    /// Port of the gateway.
    #[arg(long, default_value_t = 8080, conflicts_with = "demo")]
    http_port: u16,
}

impl Up {
    pub(crate) fn run(&self, printer: &Printer) -> anyhow::Result<()> {
        // One thread: children are told to end when the thread that started them does.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut world = World::open(self.settings()?)?;
            let told = async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            let outcome = tokio::select! {
                outcome = self.go(&mut world, printer) => outcome,
                () = told => match self.demo {
                    true => Err(anyhow::anyhow!("the demo was interrupted")),
                    false => Ok(()),
                },
            };
            world.close().await;
            outcome
        })
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        if self.demo {
            return Settings::demo(self.validators);
        }
        let folder = match &self.data {
            Some(folder) => std::path::absolute(folder)?,
            None => data_folder()?.join("marketplace-plus"),
        };
        Ok(Settings {
            folder,
            _temporary: None,
            validators: self.validators,
            rpc_port: self.rpc_port,
            http_port: self.http_port,
            parameters: &world::DEALS,
            funds: "100",
        })
    }

    async fn go(&self, world: &mut World, printer: &Printer) -> anyhow::Result<()> {
        world.start(printer).await?;
        if self.demo {
            return demo::run(world, printer).await;
        }
        let deal = world.deploy(printer).await?;
        welcome(world, printer, deal)?;
        world.watch(printer).await
    }
}

/// What to try next.
fn welcome(world: &World, printer: &Printer, deal: u64) -> anyhow::Result<()> {
    let program = env::current_exe()?;
    let bin = program.parent().unwrap_or(&program).display().to_string();
    let key = world.path("keys/developer.json");
    let gateway = world.gateway()?;
    let lines = [
        (
            format!("curl {gateway}/{deal}/any/path"),
            "a request to the function",
        ),
        (
            format!("mp deploy status {deal}"),
            "its workers, its money, until when it is paid",
        ),
        (
            format!("mp deploy plan {}", world.path("hello.toml").display()),
            "what another deployment would cost",
        ),
        (format!("mp deploy top-up {deal} 5"), "pay 5 USDC more in"),
        (
            format!("mp deploy stop {deal}"),
            "end it, and have the rest back",
        ),
        (
            format!(
                "mp provider withdraw --key {}",
                world.path("keys/provider-1.json").display()
            ),
            "a provider takes its earnings",
        ),
        (
            format!(
                "mp provider capacity --key {}",
                world.path("keys/provider-1.json").display()
            ),
            "where its units are, and what they proved",
        ),
        (
            format!(
                "mp delegate status --key {}",
                world.path("keys/delegator.json").display()
            ),
            "what idle units earn in FLT, and a delegator of it",
        ),
    ];
    let mut text = format!(
        "\nEverything runs, in {folder} (logs in it, too). In another terminal:\n\n  \
         export PATH=\"{bin}:$PATH\" MP_RPC={rpc} MP_GATEWAY={gateway} MP_KEY={key}\n\n",
        folder = world.path("").display(),
        rpc = world.client().url(),
        key = key.display(),
    );
    for (command, what) in lines {
        text += &format!("  {command}\n      {what}\n");
    }
    text += &format!(
        "\nAny Ethereum wallet or tool: {}, chain id 31337. Ctrl-C stops it all; `mp up` goes on from there.",
        world.client().url()
    );
    let value = json!({
        "step": "up",
        "data": world.path(""),
        "rpc": world.client().url(),
        "gateway": gateway,
        "deal": deal,
    });
    printer.result(&value, &text);
    Ok(())
}

/// Where programs of this user keep their data.
fn data_folder() -> anyhow::Result<PathBuf> {
    let absolute = |name: &str, below: &str| {
        let folder = PathBuf::from(env::var_os(name)?);
        folder.is_absolute().then(|| folder.join(below))
    };
    absolute("XDG_DATA_HOME", "")
        .or_else(|| absolute("HOME", ".local/share"))
        .context("there is no home folder\nhint: say where everything is kept with --data")
}

/// Says so if more units are offered than there are processors for.
fn oversubscribed(units: usize) -> Option<String> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    // A compute unit is a core with two threads.
    (units * 2 > processors).then(|| {
        format!(
            "note: {} on {} here, where they would be {}: good for trying, not for measuring",
            counted(units, "CU"),
            counted(processors, "processor"),
            units * 2
        )
    })
}

/// USDC per epoch, in words.
fn rate(millionths: u128) -> String {
    format!("{} per CU and epoch", usdc(millionths))
}
