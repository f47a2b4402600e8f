//! Which peers claim what: for each attribute, its values and the peers that have each, so that a requirement is
//! answered for all peers at once. Claims of offer, datacenter and provider stand with each of their peers.

use super::bits::{Bits, Slot};
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
}

/// One attribute: who has it, and with which value. Lists of slots are sorted.
#[derive(Clone, Debug, Default)]
struct Column {
    there: Bits,
    values: BTreeMap<Value, Vec<Slot>>,
    members: BTreeMap<String, Vec<Slot>>,
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

fn enter<K: Ord>(map: &mut BTreeMap<K, Vec<Slot>>, key: K, slot: Slot) {
    let slots = map.entry(key).or_default();
    if let Err(place) = slots.binary_search(&slot) {
        slots.insert(place, slot);
    }
}

fn leave<K: Ord>(map: &mut BTreeMap<K, Vec<Slot>>, key: &K, slot: Slot) {
    if let Some(slots) = map.get_mut(key) {
        if let Ok(place) = slots.binary_search(&slot) {
            slots.remove(place);
        }
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
        let columns = self.subjects.entry(subject).or_default();
        for (key, value) in claims {
            let column = columns.entry(key.into_owned()).or_default();
            if let Value::Set(members) = value.as_ref() {
                for member in members {
                    enter(&mut column.members, member.clone(), slot);
                }
            }
            column.there.insert(slot);
            enter(&mut column.values, value.into_owned(), slot);
        }
    }

    /// Forgets what was noted so.
    pub(super) fn remove<'a>(
        &mut self,
        slot: Slot,
        subject: Subject,
        claims: impl IntoIterator<Item = Claim<'a>>,
    ) {
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

    /// The peers for which a requirement holds: the same as asking [`Test::holds`] for each.
    pub(super) fn meet(&self, wanted: &Predicate) -> Bits {
        let column = self.column(wanted.subject, &wanted.key);
        column.map_or_else(Bits::default, |column| column.meet(&wanted.test))
    }
}

impl Column {
    fn meet(&self, test: &Test) -> Bits {
        let mut found = Bits::default();
        match test {
            Test::Exists => return self.there.clone(),
            Test::Has(member) => found.extend(slots(self.members.get(member))),
            Test::Is(value) => found.extend(slots(self.values.get(value))),
            Test::In(values) => {
                let lists = values.iter().map(|value| self.values.get(value));
                found.extend(lists.flat_map(slots));
            }
            Test::IsNot(value) => {
                let others = self.values.range(same_type(value));
                let others = others.filter(|(other, _)| *other != value);
                found.extend(others.flat_map(|(_, list)| slots(Some(list))));
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
                    let lists = self.values.range(range).map(|(_, list)| Some(list));
                    found.extend(lists.flat_map(slots));
                }
            }
        }
        found
    }
}

fn slots(list: Option<&Vec<Slot>>) -> impl Iterator<Item = Slot> {
    list.into_iter().flatten().copied()
}

/// The range of all values of a value's type.
fn same_type(value: &Value) -> (Bound<Value>, Bound<Value>) {
    let first = [
        Value::Text(String::new()),
        Value::Integer(i64::MIN),
        Value::Version(0, 0, 0),
        Value::Set(Vec::new()),
    ];
    let rank = |value: &Value| match value {
        Value::Text(_) => 0,
        Value::Integer(_) => 1,
        Value::Version(..) => 2,
        Value::Set(_) => 3_usize,
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
            let met = claims.meet(&wanted);
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
