//! TOML documents that people write: everything that is wrong is found at once, with line and hint.
//!
//! Serde stops at the first error, so tables are read field by field. A field that cannot be read becomes a finding
//! and `None`; reading goes on. What is said about a document is bounded, whatever the document is.

#[cfg(test)]
#[path = "../../../tests/dice.rs"]
pub(crate) mod dice;
mod field;
#[cfg(test)]
mod fuzz;

pub(crate) use field::{Field, Kind, Shape, list, one_of, pattern, schema};

use crate::amount::counted;
use std::{collections::BTreeMap, fmt, ops::Range};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The longest document that is read.
const MAX_BYTES: usize = 64 << 10;

/// More findings than this are counted, not shown.
const MAX_FINDINGS: usize = 50;

/// Characters of a document that are repeated in one message.
const MAX_QUOTED: usize = 200;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Where; the first line is 1.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) hint: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: {}\n  hint: {}",
            self.line, self.what, self.hint
        )
    }
}

/// A value and the line it stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) line: usize,
}

/// What is wrong so far.
#[derive(Debug)]
pub(crate) struct Findings<'t> {
    text: &'t str,
    /// Where the lines of the text end.
    ends: Vec<usize>,
    found: Vec<Finding>,
    /// Every field that was asked for, once.
    asked: Vec<Field>,
}

impl<'t> Findings<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end).collect();
        Self {
            text,
            ends,
            found: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// Parses the document as far as it can be.
    pub(crate) fn parse(&mut self) -> Spanned<DeTable<'t>> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let line = self.line(&error.span().unwrap_or(0..0));
            self.add(line, error.message(), "mend the TOML; see https://toml.io");
        }
        document
    }

    pub(crate) fn add(&mut self, line: usize, what: impl AsRef<str>, hint: impl AsRef<str>) {
        let (what, hint) = (clip(what.as_ref()), clip(hint.as_ref()));
        self.found.push(Finding { line, what, hint });
    }

    /// Notes a field that was asked for; what it is, is what was asked last.
    fn ask(&mut self, field: Field) {
        match self.asked.iter_mut().find(|known| known.path == field.path) {
            Some(known) => known.kind = field.kind,
            None => self.asked.push(field),
        }
    }

    /// All fields that were asked for.
    pub(crate) fn asked(self) -> Vec<Field> {
        self.asked
    }

    /// The first of them by line, and how many there are besides.
    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        self.found.sort();
        let more = self.found.split_off(MAX_FINDINGS.min(self.found.len()));
        if let Some(next) = more.first() {
            let what = format!("and {} from here on", counted(more.len(), "more fault"));
            self.add(next.line, what, "mend those above first");
        }
        self.found
    }

    /// The line on which a part of the text begins.
    pub(crate) fn line(&self, span: &Range<usize>) -> usize {
        self.ends.partition_point(|end| *end < span.start) + 1
    }
}

/// Finds fault with a document that is too long to be read.
pub(crate) fn too_long(text: &str) -> Option<Finding> {
    let length = text.len();
    (length > MAX_BYTES).then(|| Finding {
        line: 1,
        what: format!("{length} bytes are too many"),
        hint: format!("at most {MAX_BYTES} are read"),
    })
}

/// A text that a document may have written, fit for a terminal: of bounded length, without control characters.
pub(crate) fn clip(text: &str) -> String {
    let printable = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    let mut clipped: String = text.chars().take(MAX_QUOTED).map(printable).collect();
    if text.chars().nth(MAX_QUOTED).is_some() {
        clipped.push('…');
    }
    clipped
}

/// One table, and which of its fields were asked for.
#[derive(Debug)]
pub(crate) struct Table<'a, 't> {
    entries: &'a DeTable<'t>,
    line: usize,
    asked: Vec<&'static str>,
    /// Its name, behind those of the tables that it is in.
    path: Vec<&'static str>,
}

impl<'a, 't> Table<'a, 't> {
    pub(crate) fn new(table: &'a Spanned<DeTable<'t>>) -> Self {
        Self {
            entries: table.get_ref(),
            line: 1,
            asked: Vec::new(),
            path: Vec::new(),
        }
    }

    /// Looks for a field, and notes that it was looked for.
    fn ask(
        &mut self,
        findings: &mut Findings<'_>,
        key: &'static str,
        kind: Kind,
        is_needed: bool,
    ) -> Option<&'a Spanned<DeValue<'t>>> {
        self.asked.push(key);
        let value = self.entries.get(key);
        let first = value.map(|value| match (kind, value.get_ref().as_array()) {
            (Kind::Tables, Some(items)) => items.first().unwrap_or(value),
            _ => value,
        });
        findings.ask(Field {
            path: [self.path.as_slice(), &[key]].concat(),
            is_needed,
            kind,
            line: first.map(|value| findings.line(&value.span())),
        });
        value
    }

    /// A field that must be there. `parse` says what it expected when it cannot read the value.
    pub(crate) fn must<T: Shape>(
        &mut self,
        findings: &mut Findings<'_>,
        key: &'static str,
        parse: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<Located<T>> {
        let value = self.ask(findings, key, Kind::Value(T::shape), true);
        if value.is_none() {
            findings.add(
                self.line,
                format!("`{key}` is missing"),
                format!("add `{key} = …`"),
            );
        }
        read(findings, key, value?, parse)
    }

    /// A field that may be there.
    pub(crate) fn may<T: Shape>(
        &mut self,
        findings: &mut Findings<'_>,
        key: &'static str,
        parse: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<Located<T>> {
        let value = self.ask(findings, key, Kind::Value(T::shape), false)?;
        read(findings, key, value, parse)
    }

    /// A table within that must be there.
    pub(crate) fn must_table(
        &mut self,
        findings: &mut Findings<'_>,
        key: &'static str,
        hint: &str,
    ) -> Option<Self> {
        let value = self.ask(findings, key, Kind::Table, true);
        if value.is_none() {
            findings.add(self.line, format!("`{key}` is missing"), hint);
        }
        self.as_table(findings, key, value?)
    }

    /// A table within; None if it is not there.
    pub(crate) fn table(&mut self, findings: &mut Findings<'_>, key: &'static str) -> Option<Self> {
        let value = self.ask(findings, key, Kind::Table, false)?;
        self.as_table(findings, key, value)
    }

    fn as_table(
        &self,
        findings: &mut Findings<'_>,
        key: &'static str,
        value: &'a Spanned<DeValue<'t>>,
    ) -> Option<Self> {
        let found = self.within(findings, key, value);
        if found.is_none() {
            let line = findings.line(&value.span());
            findings.add(
                line,
                format!("`{key}` is no table"),
                format!("write [{key}] and its fields below"),
            );
        }
        found
    }

    /// Tables within, in order; none if they are not there.
    pub(crate) fn tables(&mut self, findings: &mut Findings<'_>, key: &'static str) -> Vec<Self> {
        let Some(value) = self.ask(findings, key, Kind::Tables, false) else {
            return Vec::new();
        };
        let within = |item| self.within(findings, key, item);
        let items = value.get_ref().as_array();
        let found: Option<Vec<_>> = items.and_then(|items| items.iter().map(within).collect());
        found.unwrap_or_else(|| {
            let line = findings.line(&value.span());
            findings.add(
                line,
                format!("`{key}` is no list of tables"),
                format!("write [[{key}]] and the fields of each below"),
            );
            Vec::new()
        })
    }

    fn within(
        &self,
        findings: &Findings<'_>,
        key: &'static str,
        value: &'a Spanned<DeValue<'t>>,
    ) -> Option<Self> {
        Some(Self {
            entries: value.get_ref().as_table()?,
            line: findings.line(&value.span()),
            asked: Vec::new(),
            path: [self.path.as_slice(), &[key]].concat(),
        })
    }

    /// The line it begins on.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// All fields, where their names are the author's; each is a text.
    pub(crate) fn texts(self, findings: &mut Findings<'_>) -> BTreeMap<String, String> {
        let texts = self.texts_as(findings, |text| Ok(text.to_owned()));
        let texts = texts.into_iter();
        texts.map(|(name, text)| (name, text.value)).collect()
    }

    /// The same, where `parse` makes something of each text, and says what it expected when it cannot.
    pub(crate) fn texts_as<T>(
        self,
        findings: &mut Findings<'_>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> BTreeMap<String, Located<T>> {
        findings.ask(Field {
            path: self.path,
            is_needed: false,
            kind: Kind::Texts,
            line: Some(self.line),
        });
        let parse = |value: &DeValue<'_>| {
            let text = value.as_str().ok_or("write a text in quotes")?;
            parse(text)
        };
        let entries = self.entries.iter();
        entries
            .filter_map(|(key, value)| {
                let name = key.get_ref().to_string();
                let read = read(findings, &name, value, parse)?;
                Some((name, read))
            })
            .collect()
    }

    /// Finds fault with fields that nobody asked for.
    pub(crate) fn finish(self, findings: &mut Findings<'_>) {
        for key in self.entries.keys() {
            let name = key.get_ref().as_ref();
            if !self.asked.contains(&name) {
                let line = findings.line(&key.span());
                let hint = format!("fields here are {}", self.asked.join(", "));
                findings.add(line, format!("there is no field `{name}`"), hint);
            }
        }
    }
}

fn read<T>(
    findings: &mut Findings<'_>,
    key: &str,
    value: &Spanned<DeValue<'_>>,
    parse: impl Fn(&DeValue<'_>) -> Result<T, String>,
) -> Option<Located<T>> {
    let line = findings.line(&value.span());
    match parse(value.get_ref()) {
        Ok(value) => Some(Located { value, line }),
        Err(expected) => {
            findings.add(line, format!("`{key}` cannot be read"), expected);
            None
        }
    }
}
