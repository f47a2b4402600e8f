//! Requests of a function to another one of its artifact: `http://NAME.internal/`.
//!
//! They never leave the process: the other function begins in a store of its own, as if a client had asked, and both run
//! side by side. What it uses is of the same [`Allowance`](super::super::allowance::Allowance), so that the first request
//! has one limit, whatever functions it goes through; it ends with the function that asked.

use super::{Refused, Sent, body::Paced};
use crate::{
    host::{
        allowance::Place,
        functions::{Function, Functions},
        request::{self, Call},
    },
    settings::Origin,
};
use http_body_util::BodyExt as _;
use hyper::Request;
use std::sync::Arc;
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// The function of that name.
pub(super) fn admit(
    functions: &Functions,
    origin: &Origin,
    name: &str,
) -> Result<Arc<Function>, Refused> {
    if origin.is_secure || origin.port != 80 {
        return Err(Refused::denied(
            "functions are asked as http://NAME.internal/",
        ));
    }
    let function = functions.named(name);
    function.ok_or_else(|| Refused::denied("the artifact has no function of that name"))
}

/// What the function answers.
pub(super) async fn ask(
    call: Call,
    place: Place,
    request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<Sent, Error> {
    let answering = request::ask(call, place, request);
    let response = match options.first_byte_timeout {
        Some(patience) => timeout(patience, answering)
            .await
            .map_err(|_| Error::ConnectionReadTimeout)?,
        None => answering.await,
    };
    let pause = options.between_bytes_timeout;
    let response = response.map(|body| Paced::new(body, pause).boxed_unsync());
    Ok((response, Box::new(async { Ok(()) })))
}
