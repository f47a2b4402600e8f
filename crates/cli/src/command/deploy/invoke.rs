//! `mp deploy invoke`.

use super::apply::address;
use crate::http::{self, Message};
use crate::printer::Printer;
use anyhow::Context as _;
use clap::Args;
use client::marketplace::units::DealId;
use hyper::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde::Serialize;
use std::io::Read as _;

/// A request to a function.
#[derive(Debug, Args)]
pub(crate) struct Invoke {
    /// The deal.
    deal: u64,
    /// Path and query, as the function sees them.
    #[arg(default_value = "/")]
    path: String,
    /// The HTTP method; by default GET, or POST if there is a body.
    #[arg(long, short = 'X')]
    method: Option<Method>,
    /// A header.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The body: itself, or @FILE, or @- for stdin.
    #[arg(long, short)]
    data: Option<String>,
    /// The gateway.
    #[arg(long, value_name = "URL", env = "MP_GATEWAY", default_value = super::GATEWAY)]
    gateway: String,
}

#[derive(Serialize)]
struct Answered<'a> {
    status: u16,
    /// None: the gateway answered itself.
    worker: Option<&'a str>,
    /// What is no UTF-8 in it is replaced.
    body: &'a str,
}

impl Invoke {
    pub(super) async fn run(&self, printer: &Printer) -> anyhow::Result<()> {
        let body = self.body()?;
        let usual = match body {
            None => Method::GET,
            Some(_) => Method::POST,
        };
        let message = Message {
            method: self.method.clone().unwrap_or(usual),
            headers: self.headers.iter().cloned().collect::<HeaderMap>(),
            body: body.unwrap_or_default().into(),
        };
        let base = address(&self.gateway, DealId(self.deal));
        let url = format!("{base}{}", self.path.trim_start_matches('/'));
        let answer = http::request(&url, message).await.context(
            "the gateway does not answer\nhint: name another with --gateway or MP_GATEWAY",
        )?;
        let answered = Answered {
            status: answer.status,
            worker: answer.worker.as_deref(),
            body: &String::from_utf8_lossy(&answer.body),
        };
        printer.bytes(&answered, &answer.body);
        anyhow::ensure!(
            answer.status < 400,
            "HTTP {} from {}",
            answer.status,
            match &answer.worker {
                Some(worker) => format!("worker {worker}"),
                None => "the gateway".to_owned(),
            }
        );
        Ok(())
    }

    fn body(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(data) = &self.data else {
            return Ok(None);
        };
        let body = match data.strip_prefix('@') {
            None => data.clone().into_bytes(),
            Some("-") => {
                let mut body = Vec::new();
                std::io::stdin().lock().read_to_end(&mut body)?;
                body
            }
            Some(file) => std::fs::read(file).with_context(|| format!("{file} cannot be read"))?,
        };
        Ok(Some(body))
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write NAME: VALUE")?;
    let name = name
        .trim()
        .parse()
        .map_err(|_| "that is no header's name")?;
    let value = value.trim().parse();
    Ok((name, value.map_err(|_| "a header holds no such text")?))
}
