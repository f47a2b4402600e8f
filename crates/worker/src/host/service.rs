//! Functions of WASI 0.3: asynchronous components, whose handler gives a response and whose tasks may go on after that.
//!
//! A store runs all of them as one piece of work, which the limits of the request end from outside: nothing in it can be
//! relied on to run while the function does.

use super::{answer::Said, guest::Guest};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{
    Request, Response,
    body::Body,
    header::HOST,
    http::uri::{Authority, Scheme},
};
use std::future::poll_fn;
use tokio::sync::oneshot;
use wasmtime::{Result, Store, component::Accessor};
use wasmtime_wasi_http::{
    Error, FieldMap, WasiBody, WasiHttpView as _,
    p3::{
        self,
        bindings::{Service, ServicePre},
    },
};

/// Has the function answer, and runs it until its tasks have ended and its answer has left.
///
/// # Errors
/// It traps, or there is no room for it.
pub(super) async fn answer<B>(
    component: &ServicePre<Guest>,
    store: &mut Store<Guest>,
    request: Request<B>,
    say: impl FnOnce(Said) + Send,
) -> Result<()>
where
    B: Body<Data = Bytes, Error = Error> + Send + 'static,
{
    let (request, processed) = incoming(store, request);
    let service = component.instantiate_async(&mut *store).await?;
    let work = async |accessor: &Accessor<Guest>| {
        let (left, has_left) = oneshot::channel::<()>();
        let response = respond(&service, accessor, request, processed).await?;
        say(response.map(|response| response.map(|body| watched(body, left))));
        poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
        // Closed by whoever has the body, when it is done with it.
        let _ = has_left.await;
        Ok(())
    };
    store.run_concurrent(work).await?
}

async fn respond(
    service: &Service,
    accessor: &Accessor<Guest>,
    request: p3::Request,
    processed: impl Future<Output = Result<(), Error>> + Send + 'static,
) -> Result<Result<Response<WasiBody>, String>> {
    match service.handle(accessor, request).await? {
        Ok(response) => accessor
            .with(|store| response.into_http(store, processed))
            .map(Ok),
        Err(code) => Ok(Err(format!("{code:?}"))),
    }
}

/// The request as the function sees it, and how it went with its body.
fn incoming<B>(
    store: &mut Store<Guest>,
    request: Request<B>,
) -> (
    p3::Request,
    impl Future<Output = Result<(), Error>> + Send + 'static,
)
where
    B: Body<Data = Bytes, Error = Error> + Send + 'static,
{
    let (parts, body) = request.into_parts();
    let host = parts.headers.get(HOST);
    let host = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let http = store.data_mut().http();
    p3::Request::new(
        parts.method,
        Some(Scheme::HTTP),
        parts.uri.authority().cloned().or(host),
        parts.uri.path_and_query().cloned(),
        FieldMap::new_immutable(http.hooks, parts.headers),
        None,
        body,
    )
}

/// The same body, with what goes when it goes.
fn watched(body: WasiBody, left: oneshot::Sender<()>) -> WasiBody {
    let watched = body.map_frame(move |frame| {
        let _left = &left;
        frame
    });
    watched.boxed_unsync()
}
