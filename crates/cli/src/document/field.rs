//! What a document was asked for, as a JSON schema tells it: reading is the one place where fields are listed.

use alloy_primitives::{Address, B256};
use client::marketplace::units::{ProviderId, Seconds, Usdc};
use serde_json::{Map, Value, json};

/// How a value of this type is written.
pub(crate) trait Shape {
    fn shape() -> Value;
}

/// What stands at a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A value, of such a shape.
    Value(fn() -> Value),
    Table,
    /// A list of tables.
    Tables,
    /// A table whose names are the author's; each is a text.
    Texts,
}

/// A field that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// Its name, behind those of the tables that it is in.
    pub(crate) path: Vec<&'static str>,
    pub(crate) is_needed: bool,
    pub(crate) kind: Kind,
    /// Where it stands; for a list of tables, where the first does.
    pub(crate) line: Option<usize>,
}

impl Field {
    /// What stands behind the first of its lines in such a document; empty if nothing does.
    pub(crate) fn comment<'t>(&self, text: &'t str) -> &'t str {
        let line = self.line.and_then(|line| text.lines().nth(line - 1));
        let comment = line.and_then(|line| line.rsplit_once('#'));
        comment.map_or("", |(_, comment)| comment.trim())
    }
}

/// The schema of documents that have these fields, with what the comments in `text` say of them.
pub(crate) fn schema(fields: &[Field], text: &str) -> Value {
    let mut root = table();
    for field in fields {
        let Some((name, within)) = field.path.split_last() else {
            continue;
        };
        let mut node = match field.kind {
            Kind::Value(shape) => shape(),
            Kind::Table => table(),
            Kind::Tables => json!({ "type": "array", "items": table() }),
            Kind::Texts => {
                json!({ "type": "object", "additionalProperties": { "type": "string" } })
            }
        };
        node["description"] = field.comment(text).into();
        let table = within.iter().fold(&mut root, |table, name| {
            let table = &mut table["properties"][name];
            match table.get("items") {
                None => table,
                Some(_) => &mut table["items"],
            }
        });
        table["properties"][name] = node;
        if field.is_needed
            && let Some(needed) = table["required"].as_array_mut()
        {
            needed.push((*name).into());
        }
    }
    root
}

fn table() -> Value {
    json!({ "type": "object", "properties": Map::new(), "required": [], "additionalProperties": false })
}

/// Values of the same shape.
pub(crate) fn list(of: &Value) -> Value {
    json!({ "type": "array", "items": of })
}

/// Texts that match a pattern.
pub(crate) fn pattern(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// Some texts and no other.
pub(crate) fn one_of(texts: &[&str]) -> Value {
    json!({ "enum": texts })
}

impl Shape for String {
    fn shape() -> Value {
        json!({ "type": "string", "minLength": 1 })
    }
}

impl Shape for Vec<String> {
    fn shape() -> Value {
        list(&String::shape())
    }
}

impl Shape for u16 {
    fn shape() -> Value {
        json!({ "type": "integer", "minimum": 0, "maximum": Self::MAX })
    }
}

impl Shape for u32 {
    fn shape() -> Value {
        json!({ "type": "integer", "minimum": 0, "maximum": Self::MAX })
    }
}

impl Shape for Vec<ProviderId> {
    fn shape() -> Value {
        list(&json!({ "type": "integer", "minimum": 0 }))
    }
}

impl Shape for Usdc {
    fn shape() -> Value {
        pattern("^[0-9]+([.][0-9]{1,6})?$")
    }
}

impl Shape for Seconds {
    fn shape() -> Value {
        // A number with its unit, once or more.
        pattern(r"^(0|\s*([0-9]+[^0-9]+)+)$")
    }
}

impl Shape for Address {
    fn shape() -> Value {
        pattern("^(0x)?[0-9a-fA-F]{40}$")
    }
}

impl Shape for B256 {
    fn shape() -> Value {
        pattern("^(0x)?[0-9a-fA-F]{64}$")
    }
}
