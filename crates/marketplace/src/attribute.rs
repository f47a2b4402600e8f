//! Typed attributes of supply, and the predicates that demands put on them.

use crate::limits::{MAX_ATTRIBUTES, MAX_SET, MAX_TEXT};
use crate::refusal::{Error, Refusal, ensure, long};
use borsh::{BorshDeserialize, BorshSerialize};

/// Value of an attribute. Values of different types are neither equal nor ordered.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A version: major, minor, patch.
    Version(u32, u32, u32),
    /// A set of texts.
    Set(Vec<String>),
    /// What somebody else vouches for; not supported yet.
    Attested,
}

/// A claim about an object, such as `cpu.arch = "x86_64"`.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Name, such as `net.mbps`.
    pub key: String,
    /// Value.
    pub value: Value,
}

/// Whose attribute a predicate looks at.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The offer.
    Offer,
    /// The peer.
    Peer,
    /// Its datacenter; `country` and `city` (text) and `certifications` (set) are always there.
    Datacenter,
    /// Its provider; `name` (text) is always there.
    Provider,
}

/// What must hold for the value.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Test {
    /// Equal (=).
    Is(Value),
    /// Of the same type and not equal (≠).
    IsNot(Value),
    /// Below (<): integers and versions.
    Below(Value),
    /// At most (≤): integers and versions.
    AtMost(Value),
    /// Above (>): integers and versions.
    Above(Value),
    /// At least (≥): integers and versions.
    AtLeast(Value),
    /// One of these (in).
    In(Vec<Value>),
    /// A set with this member (has).
    Has(String),
    /// There at all (exists).
    Exists,
}

/// One requirement. A missing attribute makes it false, whatever the test.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Predicate {
    /// Whose attribute.
    pub subject: Subject,
    /// Name of the attribute.
    pub key: String,
    /// What must hold.
    pub test: Test,
}

impl Test {
    /// Whether the test holds for `value`.
    #[must_use]
    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Is(wanted) => value == wanted,
            Self::IsNot(other) => same_type(value, other) && value != other,
            Self::Below(bound) => ordered(value, bound) && value < bound,
            Self::AtMost(bound) => ordered(value, bound) && value <= bound,
            Self::Above(bound) => ordered(value, bound) && value > bound,
            Self::AtLeast(bound) => ordered(value, bound) && value >= bound,
            Self::In(values) => values.contains(value),
            Self::Has(member) => matches!(value, Value::Set(set) if set.contains(member)),
            Self::Exists => true,
        }
    }

    fn check(&self) -> Result<(), Error> {
        match self {
            Self::Is(value) | Self::IsNot(value) => check_value(value),
            Self::Below(bound)
            | Self::AtMost(bound)
            | Self::Above(bound)
            | Self::AtLeast(bound) => {
                let what = "a bound of a requirement: an integer or a version";
                ensure(ordered(bound, bound), Refusal::Malformed { what })
            }
            Self::In(values) => {
                long("values of a requirement", values.len(), 1, MAX_SET)?;
                values.iter().try_for_each(check_value)
            }
            Self::Has(member) => check_text("member of a requirement", member),
            Self::Exists => Ok(()),
        }
    }
}

impl Predicate {
    /// Refuses texts and lists beyond their limits and bounds without an order.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_text("key of a requirement", &self.key)?;
        self.test.check()
    }
}

fn same_type(a: &Value, b: &Value) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

fn ordered(a: &Value, b: &Value) -> bool {
    same_type(a, b) && matches!(a, Value::Integer(_) | Value::Version(..))
}

/// The value of `key` in a list of attributes.
#[must_use]
pub fn find<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a Value> {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    found.map(|attribute| &attribute.value)
}

/// Refuses an empty or long text.
pub(crate) fn check_text(what: &'static str, text: &str) -> Result<(), Error> {
    long(what, text.len(), 1, MAX_TEXT)
}

fn check_value(value: &Value) -> Result<(), Error> {
    match value {
        Value::Text(text) => check_text("text of an attribute", text),
        Value::Set(set) => {
            long("members of a set", set.len(), 0, MAX_SET)?;
            set.iter()
                .try_for_each(|text| check_text("member of a set", text))
        }
        Value::Attested => Err(Refusal::NotYet {
            what: "attested attributes",
        }
        .into()),
        Value::Integer(_) | Value::Version(..) => Ok(()),
    }
}

/// Refuses attributes beyond their limits, or with a key twice.
pub(crate) fn check_all(attributes: &[Attribute]) -> Result<(), Error> {
    long("attributes", attributes.len(), 0, MAX_ATTRIBUTES)?;
    for (place, attribute) in attributes.iter().enumerate() {
        check_text("key of an attribute", &attribute.key)?;
        check_value(&attribute.value)?;
        let earlier = attributes.iter().take(place);
        let twice = earlier.filter(|other| other.key == attribute.key).count() > 0;
        ensure(
            !twice,
            Refusal::Malformed {
                what: "attributes: each key once",
            },
        )?;
    }
    Ok(())
}
