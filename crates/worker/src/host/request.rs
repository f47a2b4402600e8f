//! One request: a fresh store, the function in it, its limits, its bill, its answer.

use super::{
    guest::Guest,
    log::Log,
    meter::{Bill, Meter, Outcome},
};
use crate::{config::Limits, control::Source};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full, Limited, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as HttpBody, Frame, Incoming},
    header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, RETRY_AFTER, SERVER, TE, TRAILER},
};
use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::{JoinError, JoinHandle},
    time::timeout,
};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store};
use wasmtime_wasi_http::{
    Error, WasiHttpView as _,
    p2::{
        bindings::{
            ProxyPre,
            http::types::{ErrorCode, Scheme},
        },
        body::HyperOutgoingBody,
    },
};

/// The body of an answer.
pub(super) type Body = UnsyncBoxBody<Bytes, Error>;

/// What the function says to a request.
type Said = Result<Response<HyperOutgoingBody>, ErrorCode>;

/// On an answer of a worker whose function has not begun: the request may be sent elsewhere.
const NOT_STARTED: HeaderName = HeaderName::from_static("mp-not-started");

/// What all requests of a worker share.
pub(super) struct Function {
    pub(super) engine: Engine,
    pub(super) component: ProxyPre<Guest>,
    pub(super) limits: Limits,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) log: Arc<Log>,
    pub(super) meter: Arc<Meter>,
    /// Numbers the requests that fail, so that their log lines can be found.
    pub(super) failures: AtomicU64,
}

/// A running function: its result is the answer to give if it has not given one itself.
type Task = JoinHandle<Result<(), Response<Body>>>;

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
    let mut task = Watched(Some(tokio::spawn(work)));
    match said.await {
        Ok(Ok(response)) if !response.status().is_informational() => {
            deliver(function, response, is_head, fate, task)
        }
        Ok(wrong) => {
            task.release();
            function.failed(&match wrong {
                Ok(response) => format!("it answered with status {}, below 200", response.status()),
                Err(code) => format!("it answered with the error {code:?}"),
            })
        }
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
    // Dropped in reverse order: the answer is known to be broken before the store lets go of its
    // body, and the place is free only when the store has gone.
    let _place = place;
    let limits = &function.limits;
    let mut store = function.store();
    let mut end = End {
        fate: fate.clone(),
        is_well: false,
    };
    let mut bill = Bill::new(function.meter.clone(), limits.memory_bytes);
    let work = async {
        let mut http = store.data_mut().http();
        let request = http.new_incoming_request(Scheme::Http, limited(request, limits))?;
        let out = http.new_response_outparam_from_callback(move |said| {
            let is_answer = said
                .as_ref()
                .is_ok_and(|it| !it.status().is_informational());
            fate.answered.store(is_answer, Ordering::Relaxed);
            // Nobody listens if the client has left.
            let _ = say.send(said);
        })?;
        let instance = function.component.instantiate_async(&mut store).await?;
        let handler = instance.wasi_http_incoming_handler();
        handler.call_handle(&mut store, request, out).await
    };
    let metered = bill.metered(Duration::from_millis(limits.cpu_ms), work);
    let result = match timeout(Duration::from_millis(limits.wall_ms), metered).await {
        Err(_) => Err(Failure::Wall),
        Ok(None) => Err(Failure::Cpu),
        Ok(Some(Ok(()))) => Ok(()),
        Ok(Some(Err(error))) if error.is::<PoolConcurrencyLimitError>() => Err(Failure::Full),
        Ok(Some(Err(error))) => Err(Failure::Trap(error)),
    };
    end.is_well = result.is_ok();
    bill.outcome = match result {
        Ok(()) if end.fate.answered.load(Ordering::Relaxed) => Outcome::Answered,
        Ok(()) | Err(Failure::Trap(_)) => Outcome::Failed,
        Err(Failure::Wall | Failure::Cpu) => Outcome::TimedOut,
        Err(Failure::Full) => Outcome::Shed,
    };
    result.map_err(|failure| function.explain(&failure))
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

/// The function's answer, as far as it may speak for the connection.
fn deliver(
    function: &Arc<Function>,
    mut response: Response<HyperOutgoingBody>,
    is_head: bool,
    fate: Arc<Fate>,
    task: Watched,
) -> Response<Body> {
    let reserved: Vec<HeaderName> = response
        .headers()
        .keys()
        .filter(|name| is_reserved(name))
        .cloned()
        .collect();
    for name in reserved {
        response.headers_mut().remove(name);
    }
    let length = response.headers().get(CONTENT_LENGTH);
    let left = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let meter = function.meter.clone();
    response.map(|body| {
        let answer = Answer {
            body,
            left,
            fate,
            task,
            meter,
        };
        if is_head {
            discard(answer)
        } else {
            answer.boxed_unsync()
        }
    })
}

/// What nobody asked for: the function may write it all the same, and ends as usual.
fn discard(mut answer: Answer) -> Body {
    tokio::spawn(async move {
        while let Some(Ok(_)) = answer.body.frame().await {}
        answer.task.release();
    });
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Headers about a connection, which is not the function's, and those that the worker and the
/// gateway speak through.
fn is_reserved(name: &HeaderName) -> bool {
    [SERVER, TE, TRAILER].contains(name) || name.as_str().starts_with("mp-")
}

impl Function {
    /// A fresh store for one request.
    pub(super) fn store(&self) -> Store<Guest> {
        Guest::store(&self.engine, &self.limits, &self.environment, &self.log)
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

/// The answer when all places are taken.
pub(super) fn busy() -> Response<Body> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "the worker is busy\n");
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    headers.insert(NOT_STARTED, HeaderValue::from_static("true"));
    response
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(text.into()).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response
}

/// Ends the function when nobody waits for it any more.
struct Watched(Option<Task>);

impl Watched {
    /// Waits for its end.
    async fn end(&mut self) -> Result<Result<(), Response<Body>>, JoinError> {
        match &mut self.0 {
            Some(task) => task.await,
            None => Ok(Ok(())),
        }
    }

    /// Lets it go on by itself, within its limits.
    fn release(&mut self) {
        self.0 = None;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// What the function and the reader of its answer know of each other.
#[derive(Default)]
struct Fate {
    /// The function gave an answer.
    answered: AtomicBool,
    /// The function was ended in the middle.
    broken: AtomicBool,
}

/// Tells the reader of a body that it broke off, unless the function ended well: a store that is
/// dropped closes its body as if that were the end.
struct End {
    fate: Arc<Fate>,
    is_well: bool,
}

impl Drop for End {
    fn drop(&mut self) {
        self.fate.broken.store(!self.is_well, Ordering::Release);
    }
}

/// The body of a function's answer on its way out.
struct Answer {
    body: HyperOutgoingBody,
    /// Bytes to come, if the function said how many.
    left: Option<u64>,
    fate: Arc<Fate>,
    task: Watched,
    meter: Arc<Meter>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.meter.egress(bytes);
                self.left = self.left.map(|left| left.saturating_sub(bytes as u64));
            }
            Some(Err(_)) => {}
            None if self.fate.broken.load(Ordering::Acquire) => {
                return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
            }
            None => self.left = Some(0),
        }
        Poll::Ready(frame)
    }
}

impl Drop for Answer {
    /// The client has all of it, or has left.
    fn drop(&mut self) {
        if self.left == Some(0) {
            self.task.release();
        }
    }
}
