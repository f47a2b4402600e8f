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
//! [[datacenters.peers]]
//! key = "peer-0.json"                 # from here; `mp key new --peer` makes it
//! endpoints = ["203.0.113.7:4100"]
//! units = 2
//! attributes = { "cpu.arch" = "x86_64", "net.mbps" = 1000 }
//! ```

use crate::amount::parse_flt;
use crate::document::{self, Finding, Findings, clip};
use anyhow::Context as _;
use client::marketplace::attribute::{Attribute, Value};
use client::marketplace::datacenter::{self, Country};
use client::marketplace::units::{Flt, ProviderId};
use client::view::attribute as view;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
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
    #[serde(default)]
    pub(crate) peers: Vec<Peer>,
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
            hint: "fields are `name`, `operator_flt` and [[datacenters]] with its [[datacenters.peers]]".into(),
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
            };
            Attribute {
                key: key.clone(),
                value,
            }
        };
        self.attributes.iter().map(each).collect()
    }
}
