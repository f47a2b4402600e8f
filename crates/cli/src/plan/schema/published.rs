//! The JSON schema of plans, of the fields that reading asks for. (P16 of `docs/spec/plan.md`)

use super::{COMPARISONS, Comparison, Draft, Given};
use crate::document::{Field, Findings, Shape, list, one_of, pattern, schema};
use crate::import::Location;
use client::marketplace::attribute::Subject;
use serde_json::{Value as Json, json};
use worker::settings::{Origin, Wasi};

/// A plan that has every field.
const FIELDS: &str = include_str!("../fields.toml");

/// Every field of a plan, as it is asked for.
fn fields() -> Vec<Field> {
    let mut findings = Findings::new(FIELDS);
    Draft::read(&mut findings);
    findings.asked()
}

/// The published JSON schema of plans: what an editor can know. What must hold between fields is `lint`'s.
pub(crate) fn published() -> Json {
    let mut schema = schema(&fields(), FIELDS);
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "Deployment plan of Marketplace+".into();
    schema
}

impl Shape for Vec<Origin> {
    fn shape() -> Json {
        list(&pattern("^https?://"))
    }
}

impl Shape for Location {
    fn shape() -> Json {
        String::shape()
    }
}

impl Shape for Wasi {
    fn shape() -> Json {
        one_of(&Self::ALL.map(Self::name))
    }
}

impl Shape for Comparison {
    fn shape() -> Json {
        one_of(&COMPARISONS)
    }
}

impl Shape for Subject {
    fn shape() -> Json {
        one_of(&["offer", "peer", "datacenter", "provider"])
    }
}

impl Shape for Given {
    fn shape() -> Json {
        let part = u32::shape();
        let version = json!({ "type": "array", "items": part, "minItems": 3, "maxItems": 3 });
        let version = json!({
            "type": "object",
            "properties": { "version": version },
            "required": ["version"],
            "additionalProperties": false,
        });
        let one = json!({ "anyOf": [{ "type": ["string", "integer"] }, version] });
        json!({ "anyOf": [one, list(&one)] })
    }
}

#[cfg(test)]
mod tests;
