//! Which peers claim what: for each attribute, its values and the peers that have each, so that a requirement is
//! answered for all peers at once. Claims of offer, datacenter and provider stand with each of their peers.

use super::bits::{Bits, Posting, Slot};
use crate::attribute::{Attribute, Predicate, Subject, Test, Value};
use crate::datacenter::Datacenter;
use crate::provider::Provider;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Claims by whose they are and their key.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    subjects: BTreeMap<Subject, BTreeMap<String, Column>>,
    /// Answers to requirements since the claims last changed: demands ask the same again and again.
    prepared: BTreeMap<Predicate, Bits>,
}

/// Answers that are kept; then all are forgotten.
const MAX_PREPARED: usize = 1_024;
/// Bounds that are named instead of one that too few meet.
const MAX_LOOSER: usize = 4_096;

/// One attribute: who has it, and with which value.
#[derive(Clone, Debug, Default)]
struct Column {
    there: Bits,
    values: BTreeMap<Value, Posting>,
    members: BTreeMap<String, Posting>,
}

/// Key and value of a claim.
pub(super) type Claim<'a> = (Cow<'a, str>, Cow<'a, Value>);

/// The claims of a list of attributes.
pub(super) fn listed(attributes: &[Attribute]) -> impl Iterator<Item = Claim<'_>> {
    attributes.iter().map(|Attribute { key, value }| {
        let claim: Claim<'_> = (Cow::Borrowed(key.as_str()), Cow::Borrowed(value));
        claim
    })
}

fn field(key: &str, value: Value) -> Claim<'_> {
    (Cow::Borrowed(key), Cow::Owned(value))
}

/// The claims of a datacenter: the fields that are always there, and its attributes with other keys.
pub(super) fn of_datacenter(place: &Datacenter) -> Vec<Claim<'_>> {
    let mut claims = vec![
        field("country", Value::Text(place.country.to_string())),
        field("city", Value::Text(place.city.clone())),
        field("certifications", Value::Set(place.certifications.clone())),
    ];
    claims.extend(others(
        &place.attributes,
        &["country", "city", "certifications"],
    ));
    claims
}

/// The claims of a provider, likewise.
pub(super) fn of_provider(provider: &Provider) -> Vec<Claim<'_>> {
    let mut claims = vec![field("name", Value::Text(provider.name.clone()))];
    claims.extend(others(&provider.attributes, &["name"]));
    claims
}

fn others<'a>(attributes: &'a [Attribute], fields: &'a [&str]) -> impl Iterator<Item = Claim<'a>> {
    listed(attributes).filter(|(key, _)| !fields.contains(&key.as_ref()))
}

fn leave<K: Ord>(map: &mut BTreeMap<K, Posting>, key: &K, slot: Slot) {
    if let Some(slots) = map.get_mut(key) {
        slots.remove(slot);
        if slots.is_empty() {
            map.remove(key);
        }
    }
}

impl Claims {
    /// Notes what a peer can be asked for.
    pub(super) fn add<'a>(
        &mut self,
        slot: Slot,
        subject: Subject,
        claims: impl IntoIterator<Item = Claim<'a>>,
    ) {
        self.prepared.clear();
        let columns = self.subjects.entry(subject).or_default();
        for (key, value) in claims {
            let column = columns.entry(key.into_owned()).or_default();
            if let Value::Set(members) = value.as_ref() {
                for member in members {
                    column
                        .members
                        .entry(member.clone())
                        .or_default()
                        .insert(slot);
                }
            }
            column.there.insert(slot);
            let value = column.values.entry(value.into_owned());
            value.or_default().insert(slot);
        }
    }

    /// Forgets what was noted so.
    pub(super) fn remove<'a>(
        &mut self,
        slot: Slot,
        subject: Subject,
        claims: impl IntoIterator<Item = Claim<'a>>,
    ) {
        self.prepared.clear();
        let Some(columns) = self.subjects.get_mut(&subject) else {
            return;
        };
        for (key, value) in claims {
            let Some(column) = columns.get_mut(key.as_ref()) else {
                continue;
            };
            if let Value::Set(members) = value.as_ref() {
                for member in members {
                    leave(&mut column.members, member, slot);
                }
            }
            column.there.remove(slot);
            leave(&mut column.values, &value, slot);
            if column.values.is_empty() {
                columns.remove(key.as_ref());
            }
        }
    }

    fn column(&self, subject: Subject, key: &str) -> Option<&Column> {
        self.subjects.get(&subject)?.get(key)
    }

    /// The peers that have an attribute at all.
    pub(super) fn there(&self, subject: Subject, key: &str) -> Option<&Bits> {
        Some(&self.column(subject, key)?.there)
    }

    /// For a requirement with a bound: the same with bounds that each let one more value in, the nearest first.
    pub(super) fn looser(&self, wanted: &Predicate) -> Vec<Test> {
        let Some(column) = self.column(wanted.subject, &wanted.key) else {
            return Vec::new();
        };
        let values = |from, to| {
            column
                .values
                .range((from, to))
                .map(|(value, _)| value.clone())
        };
        match &wanted.test {
            Test::AtLeast(bound) | Test::Above(bound) => {
                let to = match wanted.test {
                    Test::Above(_) => Bound::Included(bound.clone()),
                    _ => Bound::Excluded(bound.clone()),
                };
                let lower = values(same_type(bound).0, to).rev();
                lower.take(MAX_LOOSER).map(Test::AtLeast).collect()
            }
            Test::AtMost(bound) | Test::Below(bound) => {
                let from = match wanted.test {
                    Test::Below(_) => Bound::Included(bound.clone()),
                    _ => Bound::Excluded(bound.clone()),
                };
                let higher = values(from, same_type(bound).1);
                higher.take(MAX_LOOSER).map(Test::AtMost).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Answers requirements once, for looks to come.
    pub(super) fn prepare(&mut self, requirements: &[Predicate]) {
        for wanted in requirements {
            if self.prepared.contains_key(wanted) {
                continue;
            }
            let met = self.meet(wanted).into_owned();
            if self.prepared.len() >= MAX_PREPARED {
                self.prepared.clear();
            }
            self.prepared.insert(wanted.clone(), met);
        }
    }

    /// The peers for which a requirement holds: the same as asking [`Test::holds`] for each.
    pub(super) fn meet(&self, wanted: &Predicate) -> Cow<'_, Bits> {
        if let Some(met) = self.prepared.get(wanted) {
            return Cow::Borrowed(met);
        }
        let column = self.column(wanted.subject, &wanted.key);
        let met = column.map(|column| column.meet(&wanted.test));
        Cow::Owned(met.unwrap_or_default())
    }
}

impl Column {
    fn meet(&self, test: &Test) -> Bits {
        let mut found = Bits::default();
        let mut add = |slots: &Posting| slots.add_to(&mut found);
        match test {
            Test::Exists => return self.there.clone(),
            Test::Has(member) => self.members.get(member).into_iter().for_each(add),
            Test::Is(value) => self.values.get(value).into_iter().for_each(add),
            Test::In(values) => {
                let wanted = values.iter().filter_map(|value| self.values.get(value));
                wanted.for_each(add);
            }
            Test::IsNot(value) => {
                let others = self.values.range(same_type(value));
                let others = others.filter(|(other, _)| *other != value);
                others.for_each(|(_, slots)| add(slots));
            }
            Test::Below(bound)
            | Test::AtMost(bound)
            | Test::Above(bound)
            | Test::AtLeast(bound) => {
                let (first, last) = same_type(bound);
                let range = match test {
                    Test::Below(_) => (first, Bound::Excluded(bound.clone())),
                    Test::AtMost(_) => (first, Bound::Included(bound.clone())),
                    Test::Above(_) => (Bound::Excluded(bound.clone()), last),
                    _ => (Bound::Included(bound.clone()), last),
                };
                if matches!(bound, Value::Integer(_) | Value::Version(..)) {
                    let within = self.values.range(range);
                    within.for_each(|(_, slots)| add(slots));
                }
            }
        }
        found
    }
}

/// The range of all values of a value's type.
fn same_type(value: &Value) -> (Bound<Value>, Bound<Value>) {
    let first = [
        Value::Text(String::new()),
        Value::Integer(i64::MIN),
        Value::Version(0, 0, 0),
        Value::Set(Vec::new()),
        Value::Attested,
    ];
    let rank = |value: &Value| match value {
        Value::Text(_) => 0,
        Value::Integer(_) => 1,
        Value::Version(..) => 2,
        Value::Set(_) => 3,
        Value::Attested => 4_usize,
    };
    let mut from = first.into_iter().skip(rank(value));
    let bound = |value: Option<Value>, bound: fn(Value) -> Bound<Value>| {
        value.map_or(Bound::Unbounded, bound)
    };
    (
        bound(from.next(), Bound::Included),
        bound(from.next(), Bound::Excluded),
    )
}

#[cfg(test)]
mod tests {
    use super::{Claims, listed};
    use crate::attribute::{Attribute, Predicate, Subject, Test, Value};

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    /// Values of all types, so that each test meets some it holds for, some not, and some of another type.
    fn values() -> Vec<Value> {
        let set = |members: &[&str]| Value::Set(members.iter().map(ToString::to_string).collect());
        vec![
            text(""),
            text("a"),
            text("b"),
            Value::Integer(i64::MIN),
            Value::Integer(-1),
            Value::Integer(7),
            Value::Integer(i64::MAX),
            Value::Version(0, 0, 0),
            Value::Version(1, 2, 3),
            Value::Version(u32::MAX, 0, 9),
            set(&[]),
            set(&["a"]),
            set(&["a", "b", "a"]),
        ]
    }

    fn tests() -> Vec<Test> {
        let each = |test: fn(Value) -> Test| values().into_iter().map(test).collect::<Vec<_>>();
        let mut tests = vec![
            Test::Exists,
            Test::Has("a".to_owned()),
            Test::Has("c".to_owned()),
        ];
        tests.push(Test::In(vec![
            text("b"),
            Value::Integer(7),
            text("c"),
            text("b"),
        ]));
        for test in [
            Test::Is,
            Test::IsNot,
            Test::Below,
            Test::AtMost,
            Test::Above,
            Test::AtLeast,
        ] {
            tests.extend(each(test));
        }
        tests
    }

    #[test]
    fn the_index_answers_as_the_predicate_does_for_each_peer() {
        let attributes: Vec<_> = values()
            .into_iter()
            .map(|value| Attribute {
                key: "key".to_owned(),
                value,
            })
            .collect();
        let mut claims = Claims::default();
        // Two peers of each value, one of them gone again, and one with nothing.
        for (attribute, slot) in attributes.iter().zip((0..).step_by(2)) {
            let list = std::slice::from_ref(attribute);
            for slot in [slot, slot + 1] {
                claims.add(slot, Subject::Peer, listed(list));
            }
            claims.remove(slot + 1, Subject::Peer, listed(list));
        }
        for test in tests() {
            let wanted = Predicate {
                subject: Subject::Peer,
                key: "key".to_owned(),
                test,
            };
            let met = claims.meet(&wanted).into_owned();
            claims.prepare(std::slice::from_ref(&wanted));
            assert_eq!(met, *claims.meet(&wanted), "{wanted:?} prepared");
            for (attribute, slot) in attributes.iter().zip((0..).step_by(2)) {
                let holds = wanted.test.holds(&attribute.value);
                assert_eq!(met.contains(slot), holds, "{wanted:?} {attribute:?}");
                assert!(!met.contains(slot + 1), "{wanted:?} of one that is gone");
            }
            let other = Predicate {
                subject: Subject::Offer,
                ..wanted
            };
            assert!(!claims.meet(&other).contains(0), "another's claims");
        }
    }
}
