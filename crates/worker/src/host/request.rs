//! One request: the function in its store, its limits, its bill, its answer.

use super::{
    allowance::{Allowance, Over, Place},
    answer::{self, Body, End, Fate, Said, Watched, busy, text},
    engine::Linked,
    functions::{Function, Functions},
    instance::Instance,
    kept::Kept,
    meter::{Bill, Outcome},
    outbound, service,
};
use crate::{config::Limits, control::Source};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as HttpBody, Incoming},
    header::HOST,
};
use std::{sync::Arc, time::Instant};
use tokio::sync::{Semaphore, oneshot, watch};
use wasmtime::{PoolConcurrencyLimitError, WasmBacktrace};
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpView as _, p2::bindings::http::types::Scheme};

/// Lines of a trace that are logged.
const TRACE_LINES: usize = 8;

/// One function at work, for a client's request or for that of another function.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) functions: Arc<Functions>,
    pub(super) function: Arc<Function>,
    pub(super) allowance: Arc<Allowance>,
    /// Instances that wait on this unit.
    pub(super) kept: Arc<Kept<Instance>>,
    /// Closes when the function ends that asks this one; None if a client asks.
    pub(super) asker: Option<watch::Receiver<()>>,
}

/// Why a function did not end well.
enum Failure {
    Over(Over),
    /// No room in the pool: the machine's fault.
    Full,
    /// The function trapped, or did what the interface forbids.
    Trap(wasmtime::Error),
}

/// Answers one request of a client. Never fails and never waits for a place.
pub(super) async fn answer(
    functions: &Arc<Functions>,
    places: &Arc<Semaphore>,
    kept: &Arc<Kept<Instance>>,
    request: Request<Incoming>,
) -> Response<Body> {
    if let Some(refusal) = refuse(&functions.limits, &request) {
        return refusal;
    }
    let Ok(place) = places.clone().try_acquire_owned() else {
        functions.meter.shed();
        return busy();
    };
    let call = Call {
        functions: functions.clone(),
        function: functions.main.clone(),
        allowance: Allowance::new(&functions.limits),
        kept: kept.clone(),
        asker: None,
    };
    call.answer(place, request).await
}

/// Answers one request of another function.
pub(super) async fn ask(call: Call, place: Place, request: Request<WasiBody>) -> Response<Body> {
    match refuse(&call.functions.limits, &request) {
        Some(refusal) => refusal,
        None => call.answer(place, request).await,
    }
}

/// What can be refused before anything is spent.
fn refuse<B: HttpBody>(limits: &Limits, request: &Request<B>) -> Option<Response<Body>> {
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

impl Call {
    /// Runs the function, which holds the place as long as it takes.
    async fn answer<B>(self, place: impl Send + 'static, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes, Error: Into<Fault>> + Send + 'static,
    {
        let is_head = request.method() == Method::HEAD;
        let (say, said) = oneshot::channel();
        let fate = Arc::new(Fate::default());
        let work = serve(self.clone(), place, request, say, fate.clone());
        let mut task = Watched::new(tokio::spawn(attended(self.asker.clone(), work)));
        match said.await {
            Ok(said) => match answer::acceptable(said) {
                Ok(response) => {
                    let meter = self.is_first().then(|| self.functions.meter.clone());
                    answer::deliver(response, is_head, fate, task, meter)
                }
                Err(why) => {
                    task.release();
                    self.failed(&why)
                }
            },
            Err(_) => match task.end().await {
                Ok(Ok(())) => self.failed("it ended without an answer"),
                Ok(Err(response)) => response,
                Err(panic) => self.failed(&format!("the host failed: {panic}")),
            },
        }
    }

    /// Enters the function while there is time.
    ///
    /// # Errors
    /// Which time is used up.
    pub(super) async fn limited<W: Future>(&self, entered: W) -> Result<W::Output, Over> {
        let _running = self.functions.pace.begin();
        self.allowance.limited(entered).await
    }

    /// Whether a client asks. Its request is billed; what functions ask each other is on the same bill.
    fn is_first(&self) -> bool {
        self.asker.is_none()
    }

    fn bill(&self) -> Option<Bill> {
        self.is_first().then(|| {
            let memory_bytes = self.functions.limits.memory_bytes;
            let meter = self.functions.meter.clone();
            Bill::new(memory_bytes, self.allowance.clone(), meter)
        })
    }

    /// The answer for a request that began and did not end well. Details are for the owner of the
    /// deal: they go to the log, the caller gets a number to ask about.
    fn explain(&self, failure: &Failure) -> Response<Body> {
        let late = StatusCode::GATEWAY_TIMEOUT;
        match failure {
            Failure::Full => busy(),
            Failure::Over(Over::Wall) => self.failure(late, "it took too long"),
            Failure::Over(Over::Cpu) => self.failure(late, "it used too much processor time"),
            Failure::Trap(error) => self.failed(&self.trapped(error)),
        }
    }

    /// Why it trapped, and then where, a line for each of the innermost calls.
    fn trapped(&self, error: &wasmtime::Error) -> String {
        let Some(trace) = error.downcast_ref::<WasmBacktrace>() else {
            return format!("{error:#}");
        };
        let refused = if self.allowance.was_refused_memory() {
            let most = self.functions.limits.memory_bytes >> 20;
            format!(" (before that, memory beyond the limit of {most} MiB was refused)")
        } else {
            String::new()
        };
        let trace = trace.to_string();
        let calls = trace.lines().skip(1).take(TRACE_LINES);
        calls.fold(format!("{}{refused}", error.root_cause()), |text, call| {
            format!("{text}\n{call}")
        })
    }

    fn failed(&self, why: &str) -> Response<Body> {
        self.failure(StatusCode::INTERNAL_SERVER_ERROR, why)
    }

    fn failure(&self, status: StatusCode, why: &str) -> Response<Body> {
        let number = self.functions.failed();
        for line in why.lines() {
            let line = format!("failure {number}: {line}");
            self.function.log.push(Source::Worker, line.as_bytes());
        }
        text(status, format!("the function failed (failure {number})\n"))
    }
}

/// Does `work` as long as there is somebody to do it for.
async fn attended(
    asker: Option<watch::Receiver<()>>,
    work: impl Future<Output = Result<(), Response<Body>>>,
) -> Result<(), Response<Body>> {
    let Some(mut asker) = asker else {
        return work.await;
    };
    tokio::select! {
        result = work => result,
        _ = asker.changed() => Ok(()),
    }
}

/// Runs the function to its end, which may be long after its answer began.
async fn serve<B>(
    call: Call,
    place: impl Send,
    request: Request<B>,
    say: oneshot::Sender<Said>,
    fate: Arc<Fate>,
) -> Result<(), Response<Body>>
where
    B: HttpBody<Data = Bytes, Error: Into<Fault>> + Send + 'static,
{
    // Dropped in reverse order: the request is billed and its answer known to be broken before the
    // store lets go of the body, and the place is free only when the store has gone.
    let _place = place;
    let mut instance = Instance::of(&call);
    let mut end = End::new(fate.clone());
    let sender = instance.store.data_mut().sender();
    sender.came_through(request.headers());
    let mut bill = call.bill();
    let entered = enter(&call, &mut instance, request, say, fate);
    let result = match call.limited(entered).await {
        Err(over) => Err(Failure::Over(over)),
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.is::<PoolConcurrencyLimitError>() => Err(Failure::Full),
        Ok(Err(error)) => Err(Failure::Trap(error)),
    };
    if let Some(bill) = &mut bill {
        bill.outcome = match result {
            Ok(()) if end.has_answer() => Outcome::Answered,
            Ok(()) | Err(Failure::Trap(_)) => Outcome::Failed,
            Err(Failure::Over(_)) => Outcome::TimedOut,
            Err(Failure::Full) => Outcome::Shed,
        };
    }
    if result.is_ok() {
        end.well();
        if end.has_answer() && instance.rest(&call) {
            let memory_bytes = instance.memory_bytes();
            call.kept.give(instance, memory_bytes, Instant::now());
        }
    }
    result.map_err(|failure| call.explain(&failure))
}

/// Enters the function in its store.
async fn enter<B>(
    call: &Call,
    instance: &mut Instance,
    request: Request<B>,
    say: oneshot::Sender<Said>,
    fate: Arc<Fate>,
) -> wasmtime::Result<()>
where
    B: HttpBody<Data = Bytes, Error: Into<Fault>> + Send + 'static,
{
    let request = limited(request, &call.functions.limits);
    let say = move |said: Said| {
        if answer::is_answer(&said) {
            fate.has_answer();
        }
        // Nobody listens if the client has left.
        let _ = say.send(said);
    };
    match &call.function.component {
        Linked::Proxy(component) => {
            let mut http = instance.store.data_mut().http();
            let request = http.new_incoming_request(Scheme::Http, request)?;
            let out = http.new_response_outparam_from_callback(move |said| {
                say(said.map_err(|code| format!("{code:?}")));
            })?;
            instance.handle(component, request, out).await
        }
        Linked::Service(component) => {
            service::answer(component, &mut instance.store, request, say).await
        }
    }
}

/// What reading a body may end with.
type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Cuts the body off where it is longer than allowed: the function reads an error.
fn limited<B>(
    request: Request<B>,
    limits: &Limits,
) -> Request<impl HttpBody<Data = Bytes, Error = Error> + use<B>>
where
    B: HttpBody<Data = Bytes, Error: Into<Fault>>,
{
    let most = usize::try_from(limits.request_body_bytes).unwrap_or(usize::MAX);
    request.map(|body| Limited::new(body, most).map_err(body_error))
}

fn body_error(error: Fault) -> Error {
    let error = match error.downcast::<hyper::Error>() {
        Ok(error) => return Error::Hyper(*error),
        Err(error) => error,
    };
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(_) => Error::HttpRequestBodySize(None),
    }
}
