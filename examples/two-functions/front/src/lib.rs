//! Says how many words it is sent. It asks another function of the same plan, at `http://words.internal/`.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingRequest, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::StreamError;

struct Front;

impl Guest for Front {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let body = request.consume().expect("its body");
        match ask(&body) {
            Ok(count) => answer(out, 200, &format!("words: {count}\n")),
            Err(why) => answer(out, 502, &format!("nobody counts: {why}\n")),
        }
    }
}

wasip2::http::proxy::export!(Front);

/// What `words` answers to this text, which is passed on as it comes.
fn ask(text: &IncomingBody) -> Result<String, String> {
    let request = OutgoingRequest::new(Fields::new());
    request.set_method(&Method::Post).expect("a method");
    request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
    request.set_authority(Some("words.internal")).expect("a host");
    request.set_path_with_query(Some("/")).expect("a path");
    let body = request.body().expect("its body");
    let future = outgoing_handler::handle(request, None).map_err(|error| error.to_string())?;
    let (from, to) = (text.stream().expect("a stream"), body.write().expect("a stream"));
    loop {
        match to.blocking_splice(&from, 64 << 10) {
            Ok(_) => {}
            Err(StreamError::Closed) => break,
            Err(error) => return Err(error.to_string()),
        }
    }
    drop(to);
    OutgoingBody::finish(body, None).map_err(|error| error.to_string())?;
    future.subscribe().block();
    let answer = future.get().and_then(Result::ok).ok_or("no answer")?;
    read(&answer.map_err(|error| error.to_string())?)
}

/// The text of an answer, if it is a good one.
fn read(answer: &IncomingResponse) -> Result<String, String> {
    if answer.status() != 200 {
        return Err(format!("status {}", answer.status()));
    }
    let body = answer.consume().expect("its body");
    let stream = body.stream().expect("its stream");
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(4096) {
            Ok(part) => bytes.extend(part),
            Err(StreamError::Closed) => break,
            Err(error) => return Err(error.to_string()),
        }
    }
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

fn answer(out: ResponseOutparam, status: u16, text: &str) {
    let response = OutgoingResponse::new(Fields::new());
    response.set_status_code(status).expect("a status");
    let body = response.body().expect("its body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("its stream");
    // Whoever asked may have gone.
    let _ = stream.blocking_write_and_flush(text.as_bytes());
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
