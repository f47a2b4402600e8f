//! Sends one request to a worker, and to another if that is safe. (G3)

use super::{
    answer::{self, Body, text},
    balance::Tried,
    headers::NOT_STARTED,
    health::Outcome,
    place::{self, Place},
    pool::Lane,
    proxy::Gateway,
    visit::Visit,
};
use crate::overlay::{self, Dial, Route};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, Response, StatusCode, body::Incoming, client::conn::TrySendError, header::CONNECTION,
    http::request,
};
use marketplace::units::{DealId, WorkerId};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::{Instant as Deadline, timeout, timeout_at};

/// A request is sent at most so often, over all of a deal's workers.
const MAX_TRIES: usize = 3;
/// A worker that refuses says no more than this.
const REFUSAL_BYTES: usize = 4 << 10;
/// Nor does it take longer.
const REFUSAL: Duration = Duration::from_millis(100);

/// A request on its way.
pub(super) struct Errand {
    pub(super) head: request::Parts,
    pub(super) content: Content,
    /// Whether it does the same if it is sent twice.
    pub(super) is_idempotent: bool,
    /// When its answer has to have begun.
    pub(super) deadline: Deadline,
}

/// A request's body: kept whole, or on its way and gone once it was sent.
pub(super) enum Content {
    Kept(Bytes),
    Once(Option<Body>),
}

/// What an attempt came to.
enum Attempt {
    /// What the client gets.
    Answer(Response<Body>),
    /// The function has not begun; nobody was even asked if it was not reached.
    NotStarted { is_reached: bool },
    /// The connection had ended while nobody used it, and the request never went out. The worker may well be there.
    Unsent,
    /// Nothing of an answer has come, and none will. What the function has done nobody knows. No fault is the worker's
    /// if the connection was used before: it may just have been done with it.
    Broken { is_fault: bool },
}

impl<D: Dial> Gateway<D> {
    /// Tries workers until one begins, within the budget of retries. (G3)
    pub(super) async fn deliver(
        self: &Arc<Self>,
        deal: DealId,
        visit: &mut Option<Visit<D>>,
        mut errand: Errand,
    ) -> Response<Body> {
        let mut tried = Tried::default();
        let mut came = answer::busy();
        // The first costs nothing, nor does what reached nobody.
        let mut is_free = true;
        let mut tries = 0;
        while tries < MAX_TRIES {
            let Some(route) = self.pick(deal, &tried) else {
                break;
            };
            let place = Place::new(self.clone(), route);
            // Only now: a retry that has nobody to go to costs nothing.
            if !is_free && !self.balancer().may_retry(deal) {
                break;
            }
            if let Some(visit) = visit.as_mut().filter(|_| tries > 0) {
                visit.record.retries += 1;
            }
            let worker = place.route.worker;
            match self.attempt(place, visit, &mut errand).await {
                Attempt::Answer(answer) => return answer,
                Attempt::Unsent => {
                    // To another one, if there is one: the connections of who died just now end, too. Else to the same again, until
                    // none of its connections is an old one.
                    tried.stale.push(worker);
                    continue;
                }
                Attempt::NotStarted { is_reached } => {
                    came = answer::busy();
                    is_free = !is_reached;
                    tried.in_vain.push(worker);
                }
                Attempt::Broken { .. } if !errand.is_idempotent => return broken(),
                Attempt::Broken { is_fault } => {
                    came = broken();
                    is_free = false;
                    tried.note(worker, is_fault);
                }
            }
            if matches!(errand.content, Content::Once(None)) {
                break;
            }
            tries += 1;
        }
        came
    }

    fn pick(&self, deal: DealId, tried: &Tried) -> Option<Arc<Route>> {
        let dice = rand::random::<[u32; 2]>().map(|die| die as usize);
        let now = self.now();
        self.balancer().pick(deal, tried, now, dice)
    }

    /// Sends the request to one worker, over a connection that is there or a new one.
    async fn attempt(
        &self,
        mut place: Place<D>,
        visit: &mut Option<Visit<D>>,
        errand: &mut Errand,
    ) -> Attempt {
        let mut lane = match self.lane(&place.route).await {
            Ok(lane) => lane,
            Err(error) => {
                tracing::debug!(%error, "a worker cannot be reached");
                place.outcome = unreached(&error);
                return Attempt::NotStarted { is_reached: false };
            }
        };
        let (began, before) = (Instant::now(), lane.written.bytes());
        let sending = lane.sender.try_send_request(errand.request());
        match timeout_at(errand.deadline, sending).await {
            Ok(Ok(response)) if response.headers().contains_key(NOT_STARTED) => {
                place.outcome = Outcome::Shed;
                self.refused(response, place.route.worker, lane).await;
                Attempt::NotStarted { is_reached: true }
            }
            Ok(Ok(response)) => {
                place.answered(response.status(), began);
                if ends(&response) {
                    // It is about to go: whoever comes next is to ask whether it is there.
                    self.pool.forget(place.route.worker);
                }
                Attempt::Answer(place::answer(response, place, visit.take(), lane))
            }
            Ok(Err(failed)) => {
                self.pool.forget(place.route.worker);
                let is_unsent = lane.written.bytes() == before;
                failure(failed, &lane, is_unsent, &mut place, errand)
            }
            Err(_) => {
                place.outcome = Outcome::Failed;
                let late = "the worker does not answer\n";
                Attempt::Answer(text(StatusCode::GATEWAY_TIMEOUT, late))
            }
        }
    }

    /// Keeps the connection if the refusal ends soon.
    async fn refused(&self, refusal: Response<Incoming>, worker: WorkerId, lane: Lane) {
        let reading = Limited::new(refusal.into_body(), REFUSAL_BYTES).collect();
        if matches!(timeout(REFUSAL, reading).await, Ok(Ok(_))) {
            self.pool.put(worker, lane);
        }
    }

    /// A connection to the worker that nobody uses.
    async fn lane(&self, route: &Route) -> Result<Lane, overlay::Error> {
        if let Some(lane) = self.pool.take(route.worker) {
            return Ok(lane);
        }
        let stream = self.dial.dial(route).await?;
        Lane::open(stream)
            .await
            .map_err(|error| overlay::Error::Unreachable {
                peer: route.address.peer,
                reason: error.to_string(),
            })
    }
}

impl Errand {
    /// The request, with the body if that has not gone yet.
    fn request(&mut self) -> Request<Body> {
        let body = match &mut self.content {
            Content::Kept(bytes) => whole(bytes.clone()),
            Content::Once(body) => body.take().unwrap_or_else(|| whole(Bytes::new())),
        };
        let mut request = Request::new(body);
        request.method_mut().clone_from(&self.head.method);
        request.uri_mut().clone_from(&self.head.uri);
        request.headers_mut().clone_from(&self.head.headers);
        request
    }

    /// Takes back what did not go out; whether nothing did. A connection that breaks at the first byte gives back no body, but
    /// of one that was kept there is another.
    fn take_back(
        &mut self,
        mut failed: TrySendError<Request<Body>>,
        is_unsent: bool,
    ) -> (bool, hyper::Error) {
        let returned = failed.take_message();
        let is_whole = match &mut self.content {
            Content::Kept(_) => is_unsent || returned.is_some(),
            Content::Once(body) => {
                *body = returned.map(Request::into_body);
                body.is_some()
            }
        };
        (is_whole, failed.into_error())
    }
}

/// Whether the worker wants no other request on this connection.
fn ends<B>(response: &Response<B>) -> bool {
    let connection = response.headers().get(CONNECTION);
    connection.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

fn whole(bytes: Bytes) -> Body {
    let body = Full::new(bytes).map_err(|never| match never {});
    body.boxed_unsync()
}

/// What a request that got no answer comes to.
fn failure<D: Dial>(
    failed: TrySendError<Request<Body>>,
    lane: &Lane,
    is_unsent: bool,
    place: &mut Place<D>,
    errand: &mut Errand,
) -> Attempt {
    let (is_returned, error) = errand.take_back(failed, is_unsent);
    if is_returned {
        if lane.is_used {
            place.outcome = Outcome::Broke;
            return Attempt::Unsent;
        }
        place.outcome = Outcome::Unreached;
        return Attempt::NotStarted { is_reached: false };
    }
    if error.is_user() {
        // Its own body broke off; the worker is not to blame.
        let answer = text(StatusCode::BAD_REQUEST, "the body broke off\n");
        return Attempt::Answer(answer);
    }
    tracing::debug!(%error, "a worker breaks off");
    let is_fault = !lane.is_used;
    place.outcome = match is_fault {
        true => Outcome::Failed,
        false => Outcome::Broke,
    };
    Attempt::Broken { is_fault }
}

fn broken() -> Response<Body> {
    text(StatusCode::BAD_GATEWAY, "the worker broke off\n")
}

fn unreached(error: &overlay::Error) -> Outcome {
    match error {
        overlay::Error::Refused {
            answer: overlay::Answer::Busy,
            ..
        } => Outcome::Shed,
        _ => Outcome::Unreached,
    }
}
