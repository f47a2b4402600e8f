#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod hostile;

macro_rules! component {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm"))
    };
}
use component;

/// Answers 200 with one line of text that names the path of the request.
pub const HELLO: &[u8] = component!("hello");

/// Answers 200 with the body of the request, as it comes.
pub const ECHO: &[u8] = component!("echo");

/// Answers 200 with its environment, `NAME=value` a line.
pub const ENVIRONMENT: &[u8] = component!("environment");

/// Answers 200 with its configuration, `key=value` a line.
pub const CONFIG: &[u8] = component!("config");

/// Asks the server that the path names (`/https/example.com/path`); answers with a line `status 200` and the other's
/// body, or with a line `error 15`: the place of the error among those of `wasi:http`.
pub const FETCH: &[u8] = component!("fetch");

/// Keeps values under the path of the request. GET adds 1 to it and answers with the sum; POST keeps the body and
/// answers `kept`; what is refused is answered with why.
pub const COUNTER: &[u8] = component!("counter");

/// Sends the body of the request through the function `next` of its artifact, part by part, and answers with what comes
/// back.
pub const RELAY: &[u8] = component!("relay");

/// Answers with how many requests its instance has had, and does what the path says: `/body`, `/print`, `/state`, `/grow`,
/// `/leak`, `/trap`.
pub const VISITS: &[u8] = component!("visits");

macro_rules! interfaces {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../wit/deps/", $name, ".wit")))),*]
    };
}

/// What functions are built against: the packages of WASI 0.2.12, and drafts beside them; names and texts.
pub const WIT: [(&str, &str); 9] = interfaces!(
    "cli" "clocks" "config" "filesystem" "http" "io" "keyvalue" "random" "sockets"
);
