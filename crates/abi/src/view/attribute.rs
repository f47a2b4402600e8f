//! Attributes and requirements.

use marketplace::attribute as domain;
use serde::{Deserialize, Serialize};

/// A value: text, whole number, set of texts, or `{"version": [1, 2, 3]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A set of texts.
    Set(Vec<String>),
    /// A version.
    Version {
        /// Major, minor, patch.
        version: [u32; 3],
    },
    /// What somebody else vouches for: `{"attested": true}`; not supported yet.
    Attested {
        /// Whether it is that.
        attested: bool,
    },
}

/// A claim about an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Name, such as `cpu.arch`.
    pub key: String,
    /// Value.
    pub value: Value,
}

/// A requirement of a demand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// Whose attribute: `offer`, `peer`, `datacenter` or `provider`.
    pub subject: String,
    /// Name of the attribute.
    pub key: String,
    /// What must hold: `=`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `has` or `exists`.
    pub test: String,
    /// What it is compared with: one value, for `in` several, for `exists` none.
    pub values: Vec<Value>,
}

impl From<domain::Value> for Value {
    fn from(value: domain::Value) -> Self {
        match value {
            domain::Value::Text(text) => Self::Text(text),
            domain::Value::Integer(number) => Self::Integer(number),
            domain::Value::Version(major, minor, patch) => Self::Version {
                version: [major, minor, patch],
            },
            domain::Value::Set(members) => Self::Set(members),
            domain::Value::Attested => Self::Attested { attested: true },
        }
    }
}

/// All attributes of an object.
pub(super) fn all(attributes: Vec<domain::Attribute>) -> Vec<Attribute> {
    let each = |attribute: domain::Attribute| Attribute {
        key: attribute.key,
        value: attribute.value.into(),
    };
    attributes.into_iter().map(each).collect()
}

impl From<domain::Predicate> for Requirement {
    fn from(predicate: domain::Predicate) -> Self {
        let subject = match predicate.subject {
            domain::Subject::Offer => "offer",
            domain::Subject::Peer => "peer",
            domain::Subject::Datacenter => "datacenter",
            domain::Subject::Provider => "provider",
        };
        let (test, values) = test(predicate.test);
        Self {
            subject: subject.into(),
            key: predicate.key,
            test,
            values,
        }
    }
}

/// A test by its name, and what it compares with.
pub(super) fn test(test: domain::Test) -> (String, Vec<Value>) {
    let (test, values) = match test {
        domain::Test::Is(value) => ("=", vec![value]),
        domain::Test::IsNot(value) => ("!=", vec![value]),
        domain::Test::Below(value) => ("<", vec![value]),
        domain::Test::AtMost(value) => ("<=", vec![value]),
        domain::Test::Above(value) => (">", vec![value]),
        domain::Test::AtLeast(value) => (">=", vec![value]),
        domain::Test::In(values) => ("in", values),
        domain::Test::Has(member) => ("has", vec![domain::Value::Text(member)]),
        domain::Test::Exists => ("exists", Vec::new()),
    };
    (test.into(), values.into_iter().map(Into::into).collect())
}
