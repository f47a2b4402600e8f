//! Asks another server and passes its answer on: `/?https://example.com/`. The plan says which servers it may ask.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingRequest, IncomingResponse, OutgoingBody, OutgoingRequest, OutgoingResponse,
    ResponseOutparam, Scheme,
};
use wasip2::io::streams::StreamError;

/// Most bytes that are passed on.
const LIMIT: usize = 1 << 20;

struct Fetch;

impl Guest for Fetch {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let Some((_, url)) = path.split_once('?') else {
            return answer(out, 400, b"ask for /?https://example.com/\n");
        };
        match ask(url) {
            Ok((status, body)) => answer(out, status, &body),
            Err(why) => answer(out, 502, format!("{url} does not answer: {why}\n").as_bytes()),
        }
    }
}

wasip2::http::proxy::export!(Fetch);

/// Status and body of what a server answers, or why it does not.
fn ask(url: &str) -> Result<(u16, Vec<u8>), String> {
    let future = outgoing_handler::handle(request(url)?, None).map_err(|error| error.to_string())?;
    future.subscribe().block();
    let answer = future.get().and_then(Result::ok).ok_or("no answer")?;
    let answer = answer.map_err(|error| error.to_string())?;
    Ok((answer.status(), body(&answer)?))
}

fn request(url: &str) -> Result<OutgoingRequest, String> {
    let (scheme, rest) = url.split_once("://").ok_or("that is no URL")?;
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => return Err(format!("{other} is not asked")),
    };
    let request = OutgoingRequest::new(Fields::new());
    let wrong = |()| "that is no URL".to_owned();
    request.set_scheme(Some(&scheme)).map_err(wrong)?;
    request.set_authority(Some(authority)).map_err(wrong)?;
    request.set_path_with_query(Some(path)).map_err(wrong)?;
    Ok(request)
}

fn body(answer: &IncomingResponse) -> Result<Vec<u8>, String> {
    let none = |()| "no body".to_owned();
    let body = answer.consume().map_err(none)?;
    let stream = body.stream().map_err(none)?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(part) => bytes.extend(part),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(_) => return Err("the answer breaks off".to_owned()),
        }
        if bytes.len() > LIMIT {
            return Err("the answer is longer than 1 MiB".to_owned());
        }
    }
}

/// Gives the whole answer at once.
fn answer(out: ResponseOutparam, status: u16, text: &[u8]) {
    let headers = Fields::new();
    let kind = b"text/plain".to_vec();
    headers.set("content-type", &[kind]).expect("a header");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a status");
    let body = response.body().expect("its body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("its stream");
    for part in text.chunks(4096) {
        if stream.blocking_write_and_flush(part).is_err() {
            return; // Whoever asked has gone.
        }
    }
    drop(stream);
    // Likewise.
    let _ = OutgoingBody::finish(body, None);
}
