//! The words of a line, and what values they stand for.

use marketplace::attribute::{Attribute, Value};
use std::collections::BTreeMap;

/// The words of a line.
pub(super) struct Words<'l> {
    pub(super) line: Vec<&'l str>,
}

impl<'l> Words<'l> {
    pub(super) fn next(&mut self) -> Result<&'l str, String> {
        if self.line.is_empty() {
            return Err("a word is missing".to_owned());
        }
        Ok(self.line.remove(0))
    }

    pub(super) fn number(&mut self) -> Result<u128, String> {
        let word = self.next()?.replace('_', "");
        word.parse().map_err(|_| format!("{word} is no number"))
    }

    pub(super) fn small<T: TryFrom<u128>>(&mut self) -> Result<T, String> {
        T::try_from(self.number()?).map_err(|_| "number too large".to_owned())
    }

    /// The value after `word`, taken out of the line, if the word is there.
    pub(super) fn option(&mut self, word: &str) -> Option<&'l str> {
        let place = self.line.iter().position(|other| *other == word)?;
        self.line.remove(place);
        (place < self.line.len()).then(|| self.line.remove(place))
    }

    pub(super) fn number_option<T: TryFrom<u128>>(
        &mut self,
        word: &str,
    ) -> Result<Option<T>, String> {
        let Some(text) = self.option(word) else {
            return Ok(None);
        };
        Words { line: vec![text] }.small().map(Some)
    }

    pub(super) fn end(&self) -> Result<(), String> {
        if self.line.is_empty() {
            Ok(())
        } else {
            Err(format!("not understood: {:?}", self.line))
        }
    }
}

pub(super) fn known<V: Copy>(names: &BTreeMap<String, V>, name: &str) -> Result<V, String> {
    names
        .get(name)
        .copied()
        .ok_or_else(|| format!("who is {name}?"))
}

pub(super) fn value(text: &str) -> Value {
    if text == "attested" {
        return Value::Attested;
    }
    if let Ok(number) = text.parse() {
        return Value::Integer(number);
    }
    if let Some(members) = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
    {
        return Value::Set(members.split(',').map(str::to_owned).collect());
    }
    let parts: Option<Vec<u32>> = text
        .strip_prefix('v')
        .and_then(|text| text.split('.').map(|part| part.parse().ok()).collect());
    match parts.as_deref() {
        Some([major, minor, patch]) => Value::Version(*major, *minor, *patch),
        _ => Value::Text(text.to_owned()),
    }
}

/// `key=value,key=value`
pub(super) fn attributes(text: Option<&str>) -> Vec<Attribute> {
    let pairs = text.into_iter().flat_map(|text| text.split(';'));
    let pairs = pairs.filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, text)| Attribute {
            key: key.to_owned(),
            value: value(text),
        })
        .collect()
}
