//! Notes as JSON over HTTP, kept with `wasi:keyvalue`.
//!
//! `GET /notes` lists them, `POST /notes` with `{"text": "…"}` adds one, `GET` and `DELETE /notes/1` are about one.

mod http;

use http::{Request, Response};
use serde::{Deserialize, Serialize};
use state::wasi::keyvalue::{atomics, store};
use wasip2::http::types::Method;

/// The interface of what it keeps.
mod state {
    wit_bindgen::generate!({
        path: "wit",
        world: "state",
        generate_all,
    });
}

/// The store without a name, which other hosts have as well.
const STORE: &str = "";

/// Holds the number of the latest note; the others are numbers.
const LATEST: &str = "latest";

#[derive(Serialize)]
struct Note {
    id: u64,
    text: String,
}

#[derive(Deserialize)]
struct New {
    text: String,
}

/// Answers a request.
fn answer(request: &Request) -> Response {
    let parts: Vec<_> = request.path.trim_matches('/').split('/').collect();
    let answered = match (&request.method, parts.as_slice()) {
        (Method::Get, ["notes"]) => list(),
        (Method::Post, ["notes"]) => add(&request.body),
        (Method::Get, ["notes", id]) => one(id),
        (Method::Delete, ["notes", id]) => remove(id),
        (_, ["notes"] | ["notes", _]) => Ok(Response::error(405, "no such method")),
        _ => Ok(Response::error(404, "no such thing")),
    };
    // The store refuses what is beyond a limit, and says so in words.
    answered.unwrap_or_else(|error| Response::error(507, &format!("nothing is kept: {error:?}")))
}

fn list() -> Result<Response, store::Error> {
    let notes = store::open(STORE)?;
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = notes.list_keys(cursor)?;
        for id in page.keys.iter().filter_map(|key| key.parse().ok()) {
            all.extend(read(&notes, id)?);
        }
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    all.sort_by_key(|note| note.id);
    Ok(Response::json(200, &all))
}

fn add(body: &[u8]) -> Result<Response, store::Error> {
    let Ok(New { text }) = serde_json::from_slice(body) else {
        return Ok(Response::error(400, "write {\"text\": \"…\"}"));
    };
    let notes = store::open(STORE)?;
    let id = atomics::increment(&notes, LATEST, 1)?;
    notes.set(&id.to_string(), text.as_bytes())?;
    Ok(Response::json(201, &Note { id, text }))
}

fn one(id: &str) -> Result<Response, store::Error> {
    let note = match id.parse() {
        Ok(id) => read(&store::open(STORE)?, id)?,
        Err(_) => None,
    };
    Ok(match note {
        Some(note) => Response::json(200, &note),
        None => Response::error(404, "no such note"),
    })
}

fn remove(id: &str) -> Result<Response, store::Error> {
    if let Ok(id) = id.parse::<u64>() {
        store::open(STORE)?.delete(&id.to_string())?;
    }
    Ok(Response::empty(204))
}

fn read(notes: &store::Bucket, id: u64) -> Result<Option<Note>, store::Error> {
    let text = notes.get(&id.to_string())?;
    let text = text.map(|text| String::from_utf8_lossy(&text).into_owned());
    Ok(text.map(|text| Note { id, text }))
}
