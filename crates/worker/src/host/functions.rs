//! The functions of a worker, from an artifact to what can be instantiated, and what all their requests share.

use super::{
    Refusal,
    admission::{self, Needs},
    allowance::Allowance,
    code,
    engine::{self, Linked},
    given::{self, Given},
    guest::Guest,
    kept::Kept,
    log::{Log, Logger},
    meter::Meter,
    outbound::Outbound,
    pace::Pace,
    request::Call,
    state::State,
};
use crate::{Bundle, Config, bundle::Name, config::Limits, control::Reason, settings::Wasi};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use wasmtime::Engine;

/// What all requests of a worker share.
pub(super) struct Functions {
    /// The one that clients ask.
    pub(super) main: Arc<Function>,
    others: BTreeMap<Name, Arc<Function>>,
    pub(super) engine: Engine,
    pub(super) limits: Limits,
    pub(super) given: Arc<Given>,
    pub(super) outbound: Arc<Outbound>,
    pub(super) state: Option<Arc<State>>,
    pub(super) log: Arc<Log>,
    pub(super) meter: Arc<Meter>,
    pub(super) pace: Pace,
    /// Numbers the requests that fail, so that their log lines can be found.
    failures: AtomicU64,
}

/// One of them.
pub(super) struct Function {
    pub(super) component: Linked,
    pub(super) log: Logger,
}

impl Functions {
    /// The functions of the worker's artifact.
    ///
    /// # Errors
    /// The artifact is not the deal's, or one of its functions may not or cannot run.
    pub(super) fn load(config: &Config) -> Result<Arc<Self>, Refusal> {
        let limits = &config.limits;
        let hash = config.identity.artifact;
        let artifact = admission::admit(&config.artifact, hash, limits.artifact_bytes)?;
        let (functions, given) = given::split(&artifact, config.secrets.as_deref())?;
        let bundle = Bundle::split(functions)
            .map_err(|error| Refusal::new(Reason::BadComponent, error.to_string()))?;
        let needs = needs(&bundle, given.wasi)?;
        let engine = engine::engine(limits, places(config, &bundle, &given), given.wasi)
            .map_err(|error| Refusal::host("cannot run WebAssembly", &error))?;
        let loader = Loader {
            config,
            engine: &engine,
            wasi: given.wasi,
            log: Arc::new(Log::new(limits.log_lines_per_second)),
            deadline: Instant::now() + limits.compile_time(),
        };
        let main = loader.function(None, bundle.main)?;
        let others = bundle.others.iter();
        let others = others
            .map(|(name, component)| Ok((name.clone(), loader.function(Some(name), component)?)));
        let outbound = Outbound::new(config, &given);
        let pace = Pace::new(&engine);
        Ok(Arc::new(Self {
            main,
            others: others.collect::<Result<_, _>>()?,
            limits: limits.clone(),
            outbound: outbound.map_err(|error| Refusal::host("cannot use TLS", &error))?,
            given: Arc::new(given),
            state: state(config, needs)?,
            log: loader.log,
            meter: Arc::default(),
            pace: pace.map_err(|error| Refusal::host("cannot keep time", &error))?,
            failures: AtomicU64::new(0),
            engine,
        }))
    }

    /// The function that others ask by this name. One that is alone is asked by nobody.
    pub(super) fn named(&self, name: &str) -> Option<Arc<Function>> {
        let is_main = !self.others.is_empty() && name == Name::main().as_str();
        let function = if is_main {
            Some(&self.main)
        } else {
            self.others.get(name)
        };
        function.cloned()
    }

    /// The number of a request that has failed.
    pub(super) fn failed(&self) -> u64 {
        self.failures.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes sure that each function can begin at all within the limits, before anybody relies on it.
    ///
    /// # Errors
    /// Which one cannot.
    pub(super) async fn probe(self: &Arc<Self>) -> Result<(), Refusal> {
        let allowance = Allowance::new(&self.limits);
        for function in self.others.values().chain([&self.main]) {
            let call = Call {
                functions: self.clone(),
                function: function.clone(),
                allowance: allowance.clone(),
                kept: Arc::new(Kept::new(0, 0)),
                asker: None,
            };
            probe(&call)
                .await
                .map_err(|refusal| refusal.of(&function.log.function))?;
        }
        Ok(())
    }
}

async fn probe(call: &Call) -> Result<(), Refusal> {
    let refusal = |why: String| Refusal::new(Reason::BeyondLimits, why);
    let mut store = Guest::store(call);
    let begun = async {
        match &call.function.component {
            Linked::Proxy(proxy) => proxy.instantiate_async(&mut store).await.map(drop),
            Linked::Service(service) => service.instantiate_async(&mut store).await.map(drop),
        }
    };
    match call.limited(begun).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(refusal(format!("the component does not start: {error:#}"))),
        Err(_) => Err(refusal("the component takes too long to start".into())),
    }
}

/// What all functions together need.
fn needs(bundle: &Bundle<'_>, wasi: Wasi) -> Result<Needs, Refusal> {
    let mut needs = admission::interfaces(bundle.main, wasi)?;
    for (name, component) in &bundle.others {
        let more = admission::interfaces(component, wasi);
        let more = more.map_err(|refusal| refusal.of(&Some(name.clone())))?;
        needs.state |= more.state;
    }
    Ok(needs)
}

/// How many instances there may be at once. Where functions ask each other, each request of a client has places for that;
/// as many as clients' requests may wait for another one.
fn places(config: &Config, bundle: &Bundle<'_>, given: &Given) -> u32 {
    let Limits {
        concurrency,
        calls_in_flight,
        ..
    } = config.limits;
    let units = u32::try_from(config.units.len()).unwrap_or(u32::MAX);
    let calls = if bundle.others.is_empty() {
        0
    } else {
        calls_in_flight
    };
    let waiting = u32::from(given.reuse > 1);
    let each = 1 + calls + waiting;
    concurrency.saturating_mul(units).saturating_mul(each)
}

/// What is needed to load functions.
struct Loader<'a> {
    config: &'a Config,
    engine: &'a Engine,
    wasi: Wasi,
    log: Arc<Log>,
    /// All are compiled by then.
    deadline: Instant,
}

impl Loader<'_> {
    fn function(&self, name: Option<&Name>, component: &[u8]) -> Result<Arc<Function>, Refusal> {
        let Config { cache, limits, .. } = self.config;
        let (engine, wasi, deadline) = (self.engine, self.wasi, self.deadline);
        let name = name.cloned();
        let component = code::component(engine, cache, component, wasi, limits, deadline)
            .and_then(|component| {
                engine::link(engine, &component, wasi)
                    .map_err(|error| Refusal::new(Reason::BadComponent, format!("{error:#}")))
            })
            .map_err(|refusal| refusal.of(&name))?;
        let log = Logger {
            log: self.log.clone(),
            function: name,
        };
        Ok(Arc::new(Function { component, log }))
    }
}

/// What the functions keep, if they need to.
fn state(config: &Config, needs: Needs) -> Result<Option<Arc<State>>, Refusal> {
    if !needs.state {
        return Ok(None);
    }
    let Some(file) = &config.state else {
        let detail = "the component imports wasi:keyvalue, and this machine keeps no state";
        return Err(Refusal::new(Reason::ForbiddenImport, detail));
    };
    State::open(file, &config.limits).map(Some)
}
