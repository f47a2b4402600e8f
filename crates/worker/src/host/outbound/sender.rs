//! What one function sends while it works: where each request goes, and as what.

use super::{LOOP, NAME, Sent, inside};
use crate::{
    control::Source,
    host::{allowance::Place, request::Call},
    settings::{Origin, inside as inside_name},
};
use hyper::{HeaderMap, Method, Request, Uri, header::HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, watch};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// Sends what one function asks others while it works.
pub(in crate::host) struct Sender {
    call: Call,
    /// What the request came through that the function works for.
    path: HeaderMap,
    /// Functions that work for this one end when it does.
    ends: Option<watch::Sender<()>>,
}

/// Where an admitted request goes, and its place there.
enum Way {
    Inside(Box<Call>, Place),
    Outside(Origin, OwnedSemaphorePermit),
}

/// Why a request is not sent: as the function gets it, and as its owner does.
pub(super) struct Refused {
    error: Error,
    why: &'static str,
}

impl Refused {
    pub(super) fn denied(why: &'static str) -> Self {
        let error = Error::HttpRequestDenied;
        Self { error, why }
    }

    pub(super) fn too_many() -> Self {
        Self {
            error: Error::ConnectionLimitReached,
            why: "there were too many for one request, or are at once",
        }
    }
}

impl Sender {
    pub(in crate::host) fn new(call: Call) -> Self {
        Self {
            call,
            path: HeaderMap::new(),
            ends: None,
        }
    }

    /// Remembers what the request came through: all that is sent for it says so.
    pub(in crate::host) fn came_through(&mut self, headers: &HeaderMap) {
        for value in headers.get_all(LOOP) {
            self.path.append(LOOP, value.clone());
        }
        self.path.append(LOOP, HeaderValue::from_static(NAME));
    }

    /// Ends what works for a function that has ended.
    pub(in crate::host) fn end(&mut self) {
        self.path.clear();
        self.ends = None;
    }

    /// Sends a request, or says why not.
    pub(in crate::host) fn send(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let way = self.begin(&request);
        self.prepare(&mut request);
        let call = self.call.clone();
        let options = options.unwrap_or_default();
        Box::new(self.call.allowance.metered(async move {
            match way? {
                Way::Inside(called, place) => inside::ask(*called, place, request, options).await,
                Way::Outside(origin, place) => {
                    let outbound = &call.functions.outbound;
                    outbound.send(&call, origin, place, request, options).await
                }
            }
        }))
    }

    fn begin(&mut self, request: &Request<WasiBody>) -> Result<Way, Error> {
        let uri = request.uri();
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(Error::HttpRequestUriInvalid);
        };
        let origin = Origin::new(scheme, authority.as_str());
        let way = match origin.filter(|_| request.method() != Method::CONNECT) {
            None => Err(Refused::denied("not in the plan")),
            Some(origin) => match inside_name(&origin.host) {
                Some(name) if !name.contains('.') => self.inside(&origin, name),
                _ => self.outside(origin),
            },
        };
        way.map_err(|Refused { error, why }| {
            let line = format!("a request to {scheme}://{authority} is denied: {why}");
            self.call.function.log.push(Source::Worker, line.as_bytes());
            error
        })
    }

    fn outside(&self, origin: Origin) -> Result<Way, Refused> {
        let Call {
            functions,
            allowance,
            ..
        } = &self.call;
        let place = functions.outbound.admit(&origin)?;
        if !allowance.outbound_requests.take(1) {
            return Err(Refused::too_many());
        }
        functions.meter.outbound();
        Ok(Way::Outside(origin, place))
    }

    fn inside(&mut self, origin: &Origin, name: &str) -> Result<Way, Refused> {
        let function = inside::admit(&self.call.functions, origin, name)?;
        let place = self.call.allowance.call().ok_or_else(Refused::too_many)?;
        let ends = self.ends.get_or_insert_with(|| watch::Sender::new(()));
        let called = Call {
            function,
            asker: Some(ends.subscribe()),
            ..self.call.clone()
        };
        Ok(Way::Inside(Box::new(called), place))
    }

    /// As it goes over the wire: without what is not the function's to say.
    fn prepare(&self, request: &mut Request<WasiBody>) {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
        let headers = request.headers_mut();
        let names = headers
            .keys()
            .filter(|name| name.as_str().starts_with("mp-"));
        for name in names.cloned().collect::<Vec<_>>() {
            headers.remove(name);
        }
        headers.remove(LOOP);
        headers.extend(self.path.clone());
    }
}
