//! Attributes and requirements: typed values as flat structs, since Solidity has no sum types.

use crate::sol::{self, Comparison, ValueKind};
use marketplace::Refusal;
use marketplace::attribute::{Attribute, Predicate, Subject, Test, Value};

const VALUE: Refusal = Refusal::Malformed {
    what: "value: one of the kinds text, integer, version, set",
};
const COUNT: Refusal = Refusal::Malformed {
    what: "requirement: one value; at least one for in, none for exists, a text for has",
};

fn empty(kind: ValueKind) -> sol::Value {
    sol::Value {
        kind,
        text: String::new(),
        integer: 0,
        version: [0; 3],
        members: Vec::new(),
    }
}

impl From<Value> for sol::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Text(text) => Self {
                text,
                ..empty(ValueKind::Text)
            },
            Value::Integer(integer) => Self {
                integer,
                ..empty(ValueKind::Integer)
            },
            Value::Version(major, minor, patch) => Self {
                version: [major, minor, patch],
                ..empty(ValueKind::Version)
            },
            Value::Set(members) => Self {
                members,
                ..empty(ValueKind::Set)
            },
            Value::Attested => empty(ValueKind::Attested),
        }
    }
}

impl TryFrom<sol::Value> for Value {
    type Error = Refusal;

    fn try_from(value: sol::Value) -> Result<Self, Refusal> {
        let [major, minor, patch] = value.version;
        match value.kind {
            ValueKind::Text => Ok(Self::Text(value.text)),
            ValueKind::Integer => Ok(Self::Integer(value.integer)),
            ValueKind::Version => Ok(Self::Version(major, minor, patch)),
            ValueKind::Set => Ok(Self::Set(value.members)),
            ValueKind::Attested => Ok(Self::Attested),
            ValueKind::__Invalid => Err(VALUE),
        }
    }
}

/// Attributes as Solidity has them.
pub(crate) fn encode(attributes: Vec<Attribute>) -> Vec<sol::Attribute> {
    let each = |Attribute { key, value }| sol::Attribute {
        key,
        value: value.into(),
    };
    attributes.into_iter().map(each).collect()
}

/// Attributes as the marketplace has them.
pub(crate) fn decode(attributes: Vec<sol::Attribute>) -> Result<Vec<Attribute>, Refusal> {
    let each = |sol::Attribute { key, value }| {
        let value = value.try_into()?;
        Ok(Attribute { key, value })
    };
    attributes.into_iter().map(each).collect()
}

impl From<Predicate> for sol::Requirement {
    fn from(predicate: Predicate) -> Self {
        let subject = match predicate.subject {
            Subject::Offer => sol::Subject::Offer,
            Subject::Peer => sol::Subject::Peer,
            Subject::Datacenter => sol::Subject::Datacenter,
            Subject::Provider => sol::Subject::Provider,
        };
        let (comparison, values) = match predicate.test {
            Test::Is(value) => (Comparison::Is, vec![value]),
            Test::IsNot(value) => (Comparison::IsNot, vec![value]),
            Test::Below(value) => (Comparison::Below, vec![value]),
            Test::AtMost(value) => (Comparison::AtMost, vec![value]),
            Test::Above(value) => (Comparison::Above, vec![value]),
            Test::AtLeast(value) => (Comparison::AtLeast, vec![value]),
            Test::In(values) => (Comparison::In, values),
            Test::Has(member) => (Comparison::Has, vec![Value::Text(member)]),
            Test::Exists => (Comparison::Exists, Vec::new()),
        };
        let values = values.into_iter().map(Into::into).collect();
        Self {
            subject,
            key: predicate.key,
            comparison,
            values,
        }
    }
}

impl TryFrom<sol::Requirement> for Predicate {
    type Error = Refusal;

    fn try_from(requirement: sol::Requirement) -> Result<Self, Refusal> {
        let subject = match requirement.subject {
            sol::Subject::Offer => Subject::Offer,
            sol::Subject::Peer => Subject::Peer,
            sol::Subject::Datacenter => Subject::Datacenter,
            sol::Subject::Provider => Subject::Provider,
            sol::Subject::__Invalid => return Err(COUNT),
        };
        let values: Result<Vec<Value>, Refusal> = requirement
            .values
            .into_iter()
            .map(TryInto::try_into)
            .collect();
        let test = test(requirement.comparison, values?)?;
        Ok(Self {
            subject,
            key: requirement.key,
            test,
        })
    }
}

fn test(comparison: Comparison, values: Vec<Value>) -> Result<Test, Refusal> {
    let several = match comparison {
        Comparison::In => return Ok(Test::In(values)),
        Comparison::Exists if values.is_empty() => return Ok(Test::Exists),
        _ => values,
    };
    let [value] = <[Value; 1]>::try_from(several).map_err(|_| COUNT)?;
    match (comparison, value) {
        (Comparison::Is, value) => Ok(Test::Is(value)),
        (Comparison::IsNot, value) => Ok(Test::IsNot(value)),
        (Comparison::Below, value) => Ok(Test::Below(value)),
        (Comparison::AtMost, value) => Ok(Test::AtMost(value)),
        (Comparison::Above, value) => Ok(Test::Above(value)),
        (Comparison::AtLeast, value) => Ok(Test::AtLeast(value)),
        (Comparison::Has, Value::Text(member)) => Ok(Test::Has(member)),
        _ => Err(COUNT),
    }
}
