//! Counts the words of the body it is sent.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasip2::io::streams::InputStream;

struct Words;

impl Guest for Words {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let body = request.consume().expect("its body");
        let count = count(&body.stream().expect("its stream"));
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("a body");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("a stream");
        // Whoever asked may have gone.
        let _ = stream.blocking_write_and_flush(count.to_string().as_bytes());
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}

wasip2::http::proxy::export!(Words);

/// Words as they come: the text is never held as a whole.
fn count(stream: &InputStream) -> u64 {
    let mut count = 0;
    let mut is_inside = false;
    while let Ok(part) = stream.blocking_read(64 << 10) {
        for byte in part {
            let is_word = !byte.is_ascii_whitespace();
            count += u64::from(is_word && !is_inside);
            is_inside = is_word;
        }
    }
    count
}
