//! Turns Markdown into HTML: POST the one, get the other.

use pulldown_cmark::{Event, Options, Parser, html};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

/// Most bytes of a text.
const LIMIT: usize = 1 << 20;

struct Text;

impl Guest for Text {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        if !matches!(request.method(), Method::Post) {
            return answer(out, 405, "text/plain", "POST a text in Markdown\n");
        }
        match body(&request) {
            Ok(text) => answer(out, 200, "text/html", &page(&text)),
            Err((status, why)) => answer(out, status, "text/plain", why),
        }
    }
}

wasip2::http::proxy::export!(Text);

/// HTML of a text, in which HTML of its own stays text: whoever wrote it may not run scripts where it is shown.
fn page(text: &str) -> String {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        event => event,
    });
    let mut page = String::new();
    html::push_html(&mut page, events);
    page
}

/// The text that came with a request, or how to refuse it.
fn body(request: &IncomingRequest) -> Result<String, (u16, &'static str)> {
    let body = request.consume().map_err(|()| (500, "no body\n"))?;
    let stream = body.stream().map_err(|()| (500, "no body\n"))?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(part) => bytes.extend(part),
            Err(StreamError::Closed) => break,
            Err(_) => return Err((400, "the text breaks off\n")),
        }
        if bytes.len() > LIMIT {
            return Err((413, "the text is longer than 1 MiB\n"));
        }
    }
    String::from_utf8(bytes).map_err(|_| (400, "the text is not UTF-8\n"))
}

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
