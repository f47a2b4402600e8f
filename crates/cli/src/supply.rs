//! What a provider registers, as a TOML file.
//!
//! ```toml
//! name = "Alpine Compute"
//! operator_flt = "1"                  # what each operator key is filled up to, to pay for its reports
//!
//! [[datacenters]]
//! country = "CH"                      # ISO 3166 alpha-2
//! city = "ZRH"                        # UN/LOCODE without the country
//! name = "Zurich 1"
//! certifications = ["iso27001"]
//!
//! [datacenters.offer]                 # of all its peers; without it, `mp provider offer` makes one
//! price = "1.2"                       # USDC per CU and epoch while none of them serves
//! slope = "0.3"                       # and up to so much more, in proportion to those that do
//! allow = ["0x5a…"]                   # the only developers it serves; `deny` names some it does not serve
//! max_duration = "30d"                # likewise min_duration, notice and max_hold
//! max_units_per_deal = 16
//! valid_until = "2027-01-31T00:00:00Z" # no new workers after that; those there are stay
//!
//! [[datacenters.peers]]
//! key = "peer-0.json"                 # from here; `mp key new --peer` makes it
//! endpoints = ["203.0.113.7:4100"]
//! units = 2
//! attributes = { "cpu.arch" = "x86_64", "net.mbps" = 1000 }
//! ```

use crate::amount::{parse_flt, parse_usdc};
use crate::document::{self, Finding, Findings, clip};
use alloy_primitives::Address;
use anyhow::Context as _;
use client::marketplace::attribute::{Attribute, Value};
use client::marketplace::datacenter::{self, Country};
use client::marketplace::offer::{Curve, Terms};
use client::marketplace::units::{self, Flt, Price, ProviderId, Seconds};
use client::view::attribute as view;
use client::view::time::Time;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// The protocol version that peers speak for now.
const PROTOCOL_VERSION: u32 = 1;

/// A provider with all that it has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Supply {
    pub(crate) name: String,
    #[serde(default = "one")]
    operator_flt: String,
    #[serde(default)]
    pub(crate) datacenters: Vec<Datacenter>,
}

/// A datacenter and what stands in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Datacenter {
    pub(crate) country: String,
    pub(crate) city: String,
    pub(crate) name: String,
    #[serde(default)]
    certifications: Vec<String>,
    pub(crate) offer: Option<Offer>,
    #[serde(default)]
    pub(crate) peers: Vec<Peer>,
}

/// What is asked and accepted for the peers of a datacenter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Offer {
    price: String,
    slope: Option<String>,
    #[serde(default)]
    allow: Vec<Address>,
    #[serde(default)]
    deny: Vec<Address>,
    min_duration: Option<String>,
    max_duration: Option<String>,
    max_units_per_deal: Option<u32>,
    notice: Option<String>,
    max_hold: Option<String>,
    valid_until: Option<String>,
}

/// A peer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    pub(crate) key: PathBuf,
    #[serde(default)]
    pub(crate) endpoints: Vec<String>,
    pub(crate) units: u16,
    #[serde(default = "version")]
    pub(crate) oldest_version: u32,
    #[serde(default = "version")]
    pub(crate) newest_version: u32,
    #[serde(default)]
    attributes: BTreeMap<String, view::Value>,
}

fn one() -> String {
    "1".into()
}

fn version() -> u32 {
    PROTOCOL_VERSION
}

impl Supply {
    /// Reads the file; paths in it become usable from anywhere.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let mut supply = Self::read(&text).map_err(|finding| {
            anyhow::anyhow!("{} does not describe a provider\n{finding}", path.display())
        })?;
        let home = path.parent().unwrap_or(Path::new("."));
        for datacenter in &mut supply.datacenters {
            for peer in &mut datacenter.peers {
                peer.key = home.join(&peer.key);
            }
        }
        Ok(supply)
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Self, Finding> {
        if let Some(finding) = document::too_long(text) {
            return Err(finding);
        }
        toml::from_str(text).map_err(|error| Finding {
            line: Findings::new(text).line(&error.span().unwrap_or(0..0)),
            what: clip(error.message()),
            hint: "fields are `name`, `operator_flt` and [[datacenters]] with its [datacenters.offer] and [[datacenters.peers]]".into(),
        })
    }

    /// What each operator key is filled up to.
    pub(crate) fn operator_funds(&self) -> anyhow::Result<Flt> {
        parse_flt(&self.operator_flt).map_err(|problem| anyhow::anyhow!("operator_flt: {problem}"))
    }
}

impl Datacenter {
    /// As the marketplace has it.
    pub(crate) fn record(&self, provider: ProviderId) -> anyhow::Result<datacenter::Datacenter> {
        let country: [u8; 2] = self.country.as_bytes().try_into().with_context(|| {
            format!(
                "{:?} is no country\nhint: write its two letters of ISO 3166, like \"CH\"",
                clip(&self.country)
            )
        })?;
        Ok(datacenter::Datacenter {
            provider,
            country: Country(country),
            city: self.city.clone(),
            name: self.name.clone(),
            certifications: self.certifications.clone(),
            attributes: Vec::new(),
        })
    }
}

impl Offer {
    /// What it asks.
    pub(crate) fn curve(&self) -> anyhow::Result<Curve> {
        let price = |field: &str, text: &str| {
            let amount = parse_usdc(text).map_err(|problem| anyhow::anyhow!("{field}: {problem}"));
            amount.map(|amount| Price(amount.0))
        };
        let slope = self.slope.as_deref().unwrap_or("0");
        Ok(Curve {
            floor: price("price", &self.price)?,
            slope: price("slope", slope)?,
        })
    }

    /// What it accepts.
    pub(crate) fn terms(&self, now: &Time) -> anyhow::Result<Terms> {
        let address = |each: &Address| units::Address(each.into_array());
        let zero = Seconds(0);
        Ok(Terms {
            allowed: self.allow.iter().map(address).collect(),
            denied: self.deny.iter().map(address).collect(),
            min_duration: span("min_duration", self.min_duration.as_ref())?.unwrap_or(zero),
            max_duration: span("max_duration", self.max_duration.as_ref())?,
            max_units_per_deal: self.max_units_per_deal,
            notice: span("notice", self.notice.as_ref())?.unwrap_or(zero),
            max_hold: span("max_hold", self.max_hold.as_ref())?.unwrap_or(zero),
            valid_until: self
                .valid_until
                .as_deref()
                .map(|text| date(now, text))
                .transpose()?,
            ..Terms::any()
        })
    }
}

fn span(field: &str, text: Option<&String>) -> anyhow::Result<Option<Seconds>> {
    let Some(text) = text else { return Ok(None) };
    let span = humantime::parse_duration(text).map_err(|_| {
        let text = clip(text);
        anyhow::anyhow!(
            "{field}: {text:?} is no length of time\nhint: write one like \"30d\" or \"12h\""
        )
    })?;
    Ok(Some(Seconds(span.as_secs())))
}

/// The protocol time of a date, as far as it can be known.
fn date(now: &Time, text: &str) -> anyhow::Result<units::Time> {
    let shown = clip(text);
    let wall = humantime::parse_rfc3339_weak(text).ok();
    let wall = wall.and_then(|wall| wall.duration_since(UNIX_EPOCH).ok());
    let wall = wall.with_context(|| {
        format!("valid_until: {shown:?} is no date\nhint: write one like \"2027-01-31T00:00:00Z\"")
    })?;
    let wall_ms = u64::try_from(wall.as_millis())?;
    anyhow::ensure!(
        wall_ms > now.wall_ms,
        "valid_until: {shown:?} is over\nhint: name a later date, or leave it out for an offer that stands until it is closed"
    );
    Ok(units::Time(now.at_wall_ms(wall_ms)))
}

impl Peer {
    /// Its attributes, as the marketplace has them.
    pub(crate) fn attributes(&self) -> Vec<Attribute> {
        let each = |(key, value): (&String, &view::Value)| {
            let value = match value.clone() {
                view::Value::Text(text) => Value::Text(text),
                view::Value::Integer(number) => Value::Integer(number),
                view::Value::Set(members) => Value::Set(members),
                view::Value::Version {
                    version: [major, minor, patch],
                } => Value::Version(major, minor, patch),
                view::Value::Attested { .. } => Value::Attested,
            };
            Attribute {
                key: key.clone(),
                value,
            }
        };
        self.attributes.iter().map(each).collect()
    }
}
