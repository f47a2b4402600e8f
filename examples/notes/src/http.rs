//! Requests and responses as a whole.

use serde::Serialize;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

/// Most bytes of a body.
const LIMIT: usize = 64 << 10;

pub struct Request {
    pub method: Method,
    /// Without what follows a question mark.
    pub path: String,
    pub body: Vec<u8>,
}

pub struct Response {
    status: u16,
    body: Vec<u8>,
}

impl Response {
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        let mut body = serde_json::to_vec(value).expect("plain data");
        body.push(b'\n');
        Self { status, body }
    }

    pub fn error(status: u16, why: &str) -> Self {
        Self::json(status, &serde_json::json!({ "error": why }))
    }

    pub fn empty(status: u16) -> Self {
        let body = Vec::new();
        Self { status, body }
    }
}

struct Notes;

impl Guest for Notes {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let response = match read(&request) {
            Ok(request) => crate::answer(&request),
            Err(refusal) => refusal,
        };
        respond(out, &response);
    }
}

wasip2::http::proxy::export!(Notes);

fn read(request: &IncomingRequest) -> Result<Request, Response> {
    let path = request.path_with_query().unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default().to_owned();
    let method = request.method();
    let body = body(request)?;
    Ok(Request { method, path, body })
}

fn body(request: &IncomingRequest) -> Result<Vec<u8>, Response> {
    let none = |()| Response::error(500, "no body");
    let body = request.consume().map_err(none)?;
    let stream = body.stream().map_err(none)?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(part) => bytes.extend(part),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(_) => return Err(Response::error(400, "the body breaks off")),
        }
        if bytes.len() > LIMIT {
            return Err(Response::error(413, "a note has at most 64 KiB"));
        }
    }
}

fn respond(out: ResponseOutparam, answer: &Response) {
    let headers = Fields::new();
    let kind = b"application/json".to_vec();
    headers.set("content-type", &[kind]).expect("a header");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(answer.status).expect("a status");
    let body = response.body().expect("its body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("its stream");
    for part in answer.body.chunks(4096) {
        if stream.blocking_write_and_flush(part).is_err() {
            return; // Whoever asked has gone.
        }
    }
    drop(stream);
    // Likewise.
    let _ = OutgoingBody::finish(body, None);
}
