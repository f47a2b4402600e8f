//! Asks several servers at the same time, and says what each answered: `/?https://example.com/&https://example.com/nothing`.
//! The plan says which servers it may ask.

use futures_util::future::join_all;
use wasip3::exports::http::handler::Guest;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Request, Response, Scheme};
use wasip3::wit_bindgen::{StreamResult, spawn_local};
use wasip3::{wit_future, wit_stream};

/// Most servers that are asked.
const MOST: usize = 8;
/// Most bytes of an answer that are counted.
const LIMIT: usize = 1 << 20;

struct Gather;

impl Guest for Gather {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        let Some((_, urls)) = path.split_once('?') else {
            return answer(400, "ask for /?https://example.com/&https://example.com/nothing\n".into());
        };
        let asking = urls.split('&').take(MOST).map(line);
        answer(200, join_all(asking).await.concat())
    }
}

wasip3::http::service::export!(Gather);

/// What a server answers, in a line.
async fn line(url: &str) -> String {
    match ask(url).await {
        Ok((status, bytes)) => format!("{url}: {status}, {bytes} bytes\n"),
        Err(why) => format!("{url} does not answer: {why}\n"),
    }
}

/// Status and length of what a server answers, or why it does not.
async fn ask(url: &str) -> Result<(u16, usize), String> {
    let answer = client::send(request(url)?).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let status = answer.get_status_code();
    let (_read, is_read) = wit_future::new(|| Ok(()));
    let (mut body, _trailers) = Response::consume_body(answer, is_read);
    let mut bytes = 0;
    loop {
        let (outcome, part) = body.read(Vec::with_capacity(64 << 10)).await;
        bytes += part.len();
        if bytes > LIMIT {
            return Err("the answer is longer than 1 MiB".to_owned());
        }
        if !matches!(outcome, StreamResult::Complete(_)) {
            return Ok((status, bytes));
        }
    }
}

fn request(url: &str) -> Result<Request, String> {
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
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), None, no_trailers, None);
    let wrong = |()| "that is no URL".to_owned();
    request.set_scheme(Some(&scheme)).map_err(wrong)?;
    request.set_authority(Some(authority)).map_err(wrong)?;
    request.set_path_with_query(Some(path)).map_err(wrong)?;
    Ok(request)
}

/// An answer, whose body goes out while nobody waits for it here.
fn answer(status: u16, text: String) -> Result<Response, ErrorCode> {
    let headers = Fields::new();
    let kind = b"text/plain".to_vec();
    headers.set("content-type", &[kind]).expect("a header");
    let (mut body, reader) = wit_stream::new();
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(headers, Some(reader), no_trailers);
    response.set_status_code(status).expect("a status");
    spawn_local(async move {
        // What is left belongs to somebody who has gone.
        let _left = body.write_all(text.into_bytes()).await;
    });
    Ok(response)
}
