//! A request, from its first word to the last of its answer.

use super::{
    door::{Busy, Client},
    proxy::Gateway,
    record::{Record, said},
    target,
};
use crate::overlay::Dial;
use hyper::{StatusCode, Version, http::request};
use marketplace::units::DealId;
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The status that is told of a request whose client left before there was an answer.
const LEFT: u16 = 499;

/// A request. It is counted, and is no more under way, when this ends.
pub(super) struct Visit<D: Dial> {
    gateway: Arc<Gateway<D>>,
    busy: Busy,
    began: Instant,
    /// The deal that has one more under way.
    pub(super) entered: Option<DealId>,
    pub(super) record: Record,
}

impl<D: Dial> Visit<D> {
    pub(super) fn begin(gateway: &Arc<Gateway<D>>, client: &Client, head: &request::Parts) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let record = Record {
            time: u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX),
            client: client.address.map_or_else(String::new, |ip| ip.to_string()),
            secure: client.is_secure,
            http: version(head.version),
            method: said(head.method.as_str()),
            host: said(target::host(head)),
            path: said(head.uri.path()),
            deal: None,
            worker: None,
            status: LEFT,
            retries: 0,
            first_us: 0,
            all_us: 0,
            bytes: 0,
            complete: false,
        };
        Self {
            gateway: gateway.clone(),
            busy: Busy::begin(&client.activity),
            began: Instant::now(),
            entered: None,
            record,
        }
    }

    /// Its answer begins.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.record.status = status.as_u16();
        self.record.first_us = micros(self.began.elapsed());
    }

    /// So many bytes of its answer leave.
    pub(super) fn moves(&mut self, bytes: usize) {
        self.busy.moves();
        self.record.bytes += bytes as u64;
    }
}

impl<D: Dial> Drop for Visit<D> {
    fn drop(&mut self) {
        if let Some(deal) = self.entered {
            self.gateway.balancer().leave(deal);
        }
        self.record.all_us = micros(self.began.elapsed());
        if self.record.status == LEFT {
            self.record.first_us = self.record.all_us;
        }
        self.gateway.figures.count(&self.record);
        self.gateway.log.write(&self.record);
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
