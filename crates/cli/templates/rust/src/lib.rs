//! Answers every request with a greeting that names what was asked for.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Function;

impl Guest for Function {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let text = format!("Hello, world! You asked for {path}.\n");
        answer(out, 200, "text/plain", text.as_bytes());
    }
}

wasip2::http::proxy::export!(Function);

/// Gives the whole answer at once.
fn answer(out: ResponseOutparam, status: u16, kind: &str, text: &[u8]) {
    let headers = Fields::new();
    headers.set("content-type", &[kind.into()]).expect("a header");
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
