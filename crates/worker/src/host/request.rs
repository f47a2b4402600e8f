//! One request: a fresh store, the function in it, its limits, its bill, its answer.

use super::{
    answer::{self, Body, End, Fate, Said, Watched, busy, text},
    given::Given,
    guest::Guest,
    log::Log,
    meter::{Bill, Meter, Outcome},
    outbound::{self, Outbound},
    state::State,
};
use crate::{config::Limits, control::Source};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as HttpBody, Incoming},
    header::HOST,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store};
use wasmtime_wasi_http::{
    Error, WasiHttpView as _,
    p2::bindings::{ProxyPre, http::types::Scheme},
};

/// What all requests of a worker share.
pub(super) struct Function {
    pub(super) engine: Engine,
    pub(super) component: ProxyPre<Guest>,
    pub(super) limits: Limits,
    pub(super) given: Arc<Given>,
    pub(super) outbound: Arc<Outbound>,
    pub(super) state: Option<Arc<State>>,
    pub(super) log: Arc<Log>,
    pub(super) meter: Arc<Meter>,
    /// Numbers the requests that fail, so that their log lines can be found.
    pub(super) failures: AtomicU64,
}

/// Why a function did not end well.
enum Failure {
    Wall,
    Cpu,
    /// No room in the pool: the machine's fault.
    Full,
    /// The function trapped, or did what the interface forbids.
    Trap(wasmtime::Error),
}

/// Answers one request. Never fails and never waits for a place.
pub(super) async fn answer(
    function: &Arc<Function>,
    places: &Arc<Semaphore>,
    request: Request<Incoming>,
) -> Response<Body> {
    if let Some(refusal) = refuse(&function.limits, &request) {
        return refusal;
    }
    let Ok(place) = places.clone().try_acquire_owned() else {
        function.meter.shed();
        return busy();
    };
    let is_head = request.method() == Method::HEAD;
    let (say, said) = oneshot::channel();
    let fate = Arc::new(Fate::default());
    let work = serve(function.clone(), place, request, say, fate.clone());
    let mut task = Watched::new(tokio::spawn(work));
    match said.await {
        Ok(said) => match answer::acceptable(said) {
            Ok(response) => answer::deliver(response, is_head, fate, task, function.meter.clone()),
            Err(why) => {
                task.release();
                function.failed(&why)
            }
        },
        Err(_) => match task.end().await {
            Ok(Ok(())) => function.failed("it ended without an answer"),
            Ok(Err(response)) => response,
            Err(panic) => function.failed(&format!("the host failed: {panic}")),
        },
    }
}

/// What can be refused before anything is spent.
fn refuse(limits: &Limits, request: &Request<Incoming>) -> Option<Response<Body>> {
    if request.uri().authority().is_none() && !request.headers().contains_key(HOST) {
        return Some(text(StatusCode::BAD_REQUEST, "the request names no host\n"));
    }
    if outbound::is_circle(request.headers()) {
        return Some(text(
            StatusCode::LOOP_DETECTED,
            "the request goes in a circle\n",
        ));
    }
    let announced = request.body().size_hint().lower();
    let is_too_large = announced > limits.request_body_bytes;
    is_too_large.then(|| text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"))
}

/// Runs the function to its end, which may be long after its answer began.
async fn serve(
    function: Arc<Function>,
    place: OwnedSemaphorePermit,
    request: Request<Incoming>,
    say: oneshot::Sender<Said>,
    fate: Arc<Fate>,
) -> Result<(), Response<Body>> {
    // Dropped in reverse order: the request is billed and its answer known to be broken before the
    // store lets go of the body, and the place is free only when the store has gone.
    let _place = place;
    let limits = &function.limits;
    let mut store = function.store();
    let mut end = End::new(fate.clone());
    let sender = store.data_mut().sender();
    sender.came_through(request.headers());
    let aside = sender.aside().clone();
    let mut bill = Bill::new(limits.memory_bytes, aside);
    let call = call(&function, &mut store, request, say, fate);
    let metered = bill.metered(Duration::from_millis(limits.cpu_ms), call);
    let result = match timeout(Duration::from_millis(limits.wall_ms), metered).await {
        Err(_) => Err(Failure::Wall),
        Ok(None) => Err(Failure::Cpu),
        Ok(Some(Ok(()))) => Ok(()),
        Ok(Some(Err(error))) if error.is::<PoolConcurrencyLimitError>() => Err(Failure::Full),
        Ok(Some(Err(error))) => Err(Failure::Trap(error)),
    };
    bill.outcome = match result {
        Ok(()) if end.has_answer() => Outcome::Answered,
        Ok(()) | Err(Failure::Trap(_)) => Outcome::Failed,
        Err(Failure::Wall | Failure::Cpu) => Outcome::TimedOut,
        Err(Failure::Full) => Outcome::Shed,
    };
    if result.is_ok() {
        end.well();
    }
    result.map_err(|failure| function.explain(&failure))
}

/// Calls the function in a fresh store.
async fn call(
    function: &Function,
    store: &mut Store<Guest>,
    request: Request<Incoming>,
    say: oneshot::Sender<Said>,
    fate: Arc<Fate>,
) -> wasmtime::Result<()> {
    let mut http = store.data_mut().http();
    let request = limited(request, &function.limits);
    let request = http.new_incoming_request(Scheme::Http, request)?;
    let out = http.new_response_outparam_from_callback(move |said| {
        if answer::is_answer(&said) {
            fate.has_answer();
        }
        // Nobody listens if the client has left.
        let _ = say.send(said);
    })?;
    let instance = function.component.instantiate_async(&mut *store).await?;
    let handler = instance.wasi_http_incoming_handler();
    handler.call_handle(store, request, out).await
}

/// Cuts the body off where it is longer than allowed: the function reads an error.
fn limited(
    request: Request<Incoming>,
    limits: &Limits,
) -> Request<impl HttpBody<Data = Bytes, Error = Error> + use<>> {
    let most = usize::try_from(limits.request_body_bytes).unwrap_or(usize::MAX);
    request.map(|body| Limited::new(body, most).map_err(body_error))
}

fn body_error(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match error.downcast::<hyper::Error>() {
        Ok(error) => Error::Hyper(*error),
        Err(_) => Error::HttpRequestBodySize(None),
    }
}

impl Function {
    /// A fresh store for one request.
    pub(super) fn store(&self) -> Store<Guest> {
        Guest::store(self)
    }

    /// The answer for a request that began and did not end well. Details are for the owner of the
    /// deal: they go to the log, the caller gets a number to ask about.
    fn explain(&self, failure: &Failure) -> Response<Body> {
        let late = StatusCode::GATEWAY_TIMEOUT;
        match failure {
            Failure::Full => busy(),
            Failure::Wall => self.failure(late, "it took too long"),
            Failure::Cpu => self.failure(late, "it used too much processor time"),
            Failure::Trap(error) => self.failed(&format!("{error:?}")),
        }
    }

    fn failed(&self, why: &str) -> Response<Body> {
        self.failure(StatusCode::INTERNAL_SERVER_ERROR, why)
    }

    fn failure(&self, status: StatusCode, why: &str) -> Response<Body> {
        let number = self.failures.fetch_add(1, Ordering::Relaxed);
        let line = format!("failure {number}: {why}");
        self.log.push(Source::Worker, line.as_bytes());
        text(status, format!("the function failed (failure {number})\n"))
    }
}
