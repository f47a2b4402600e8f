//! A request at a worker, from when it is given to it to the end of its answer.

use super::{
    answer::{Body, Hold, Watched},
    headers::{self, WORKER},
    health::Outcome,
    pool::Lane,
    proxy::Gateway,
    visit::{Visit, micros},
};
use crate::overlay::{Dial, Route};
use http_body_util::BodyExt as _;
use hyper::{Response, StatusCode, body::Incoming, header::HeaderValue};
use std::{sync::Arc, time::Instant};

/// A request that a worker counts among those under way, until its answer has ended.
pub(super) struct Place<D: Dial> {
    gateway: Arc<Gateway<D>>,
    pub(super) route: Arc<Route>,
    pub(super) outcome: Outcome,
    is_heard: bool,
}

impl<D: Dial> Place<D> {
    pub(super) fn new(gateway: Arc<Gateway<D>>, route: Arc<Route>) -> Self {
        Self {
            gateway,
            route,
            outcome: Outcome::Abandoned,
            is_heard: false,
        }
    }

    pub(super) fn answered(&mut self, status: StatusCode, began: Instant) {
        self.outcome = match status.is_server_error() {
            true => Outcome::Failed,
            false => Outcome::Answered(micros(began.elapsed())),
        };
        self.hear();
    }

    fn hear(&mut self) {
        let (worker, now) = (self.route.worker, self.gateway.now());
        let is_out = self.gateway.balancer().heard(worker, self.outcome, now);
        if is_out {
            self.gateway.figures.left_out(self.outcome);
            tracing::info!(%worker, outcome = ?self.outcome, "a worker is left out for a while");
        }
        self.is_heard = true;
    }
}

impl<D: Dial> Drop for Place<D> {
    fn drop(&mut self) {
        if !self.is_heard {
            self.hear();
        }
        self.gateway.balancer().done(self.route.worker);
    }
}

/// What an answer on its way to the client holds.
struct Held<D: Dial> {
    place: Place<D>,
    visit: Option<Visit<D>>,
    lane: Option<Lane>,
}

impl<D: Dial> Hold for Held<D> {
    fn moves(&mut self, bytes: usize) {
        if let Some(visit) = &mut self.visit {
            visit.moves(bytes);
        }
    }

    fn ended(&mut self) {
        if let Some(visit) = &mut self.visit {
            visit.record.complete = true;
        }
        if let Some(lane) = self.lane.take() {
            self.place.gateway.pool.put(self.place.route.worker, lane);
        }
    }
}

/// The worker's answer, on its way to the client.
pub(super) fn answer<D: Dial>(
    mut response: Response<Incoming>,
    place: Place<D>,
    mut visit: Option<Visit<D>>,
    lane: Lane,
) -> Response<Body> {
    let route = &place.route;
    let name = format!("{}/{}", route.deal, route.worker);
    headers::strip(response.headers_mut());
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(WORKER, name);
    }
    if let Some(visit) = &mut visit {
        visit.answered(response.status());
        visit.record.worker = Some(route.worker.0);
    }
    let held = Held {
        place,
        visit,
        lane: Some(lane),
    };
    response.map(|body| Watched { body, held }.boxed_unsync())
}
