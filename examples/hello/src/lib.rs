//! Greets whom the path names: `/ada`. The word comes from the plan.

use std::env;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Hello;

impl Guest for Hello {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let name = path.trim_start_matches('/').split('?').next();
        let name = name.filter(|name| !name.is_empty()).unwrap_or("world");
        let greeting = env::var("GREETING").unwrap_or_else(|_| "Hello".to_owned());
        answer(out, 200, "text/plain", &format!("{greeting}, {name}!\n"));
    }
}

wasip2::http::proxy::export!(Hello);

/// Gives the whole answer at once.
fn answer(out: ResponseOutparam, status: u16, kind: &str, text: &str) {
    let headers = Fields::new();
    headers.set("content-type", &[kind.into()]).expect("a header");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a status");
    let body = response.body().expect("its body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("its stream");
    for part in text.as_bytes().chunks(4096) {
        if stream.blocking_write_and_flush(part).is_err() {
            return; // Whoever asked has gone.
        }
    }
    drop(stream);
    // Likewise.
    let _ = OutgoingBody::finish(body, None);
}
