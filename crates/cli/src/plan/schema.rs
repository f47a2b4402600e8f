//! The fields of a plan. `fields.toml` has all of them, and what each is for: a line's comment is what the published schema
//! says of it.

mod published;

pub(crate) use published::published;

use crate::amount::parse_usdc;
use crate::document::{Findings, Located, Table};
use crate::import::Location;
use alloy_primitives::{Address, B256};
use client::marketplace::attribute::{Predicate, Subject, Test, Value};
use client::marketplace::demand::{Artifact, Pricing, Providers, Source, Spread, Terms};
use client::marketplace::units::{self, Hash, PeerId, Price, ProviderId, Seconds, Usdc};
use std::{collections::BTreeMap, path::PathBuf};
use toml::de::DeValue;
use worker::{
    Settings,
    bundle::Name,
    settings::{NotAnOrigin, Origin, Values, Wasi},
};

/// The protocol version that functions are written for now.
const PROTOCOL_VERSION: u32 = 1;

/// A plan without fault. Hash and size of the artifact are known once its components are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// What its developer calls it.
    pub(crate) name: String,
    /// Where the function is.
    pub(crate) path: Located<Location>,
    /// Where the functions are that it may ask.
    pub(crate) others: BTreeMap<Name, Located<Location>>,
    /// What the function is given. Which document of secrets it has is known when their files are read.
    pub(crate) settings: Settings,
    /// The files of secrets, from where the plan lies.
    pub(crate) secrets: BTreeMap<String, PathBuf>,
    /// What is asked of the market.
    pub(crate) terms: Terms,
    /// What is paid in.
    pub(crate) funds: Usdc,
}

/// A plan as far as it could be read.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) name: Option<Located<String>>,
    pub(crate) cus_per_worker: Option<Located<u16>>,
    pub(crate) min_workers: Option<Located<u16>>,
    pub(crate) target_workers: Option<Located<u16>>,
    pub(crate) limit_price: Option<Located<Usdc>>,
    pub(crate) funds: Option<Located<Usdc>>,
    pub(crate) duration: Option<Located<Seconds>>,
    pub(crate) hold: Option<Located<Seconds>>,
    pub(crate) effectors: Option<Located<Vec<String>>>,
    pub(crate) outbound: Option<Located<Vec<Origin>>>,
    pub(crate) reuse: Option<Located<u32>>,
    pub(crate) wasi: Option<Located<Wasi>>,
    pub(crate) protocol_version: Option<Located<u32>>,
    pub(crate) monitor: Option<Located<Address>>,
    pub(crate) path: Option<Located<Location>>,
    pub(crate) sources: Vec<Located<Source>>,
    pub(crate) functions: Option<Located<BTreeMap<String, Located<Location>>>>,
    pub(crate) environment: Option<Located<Values>>,
    pub(crate) config: Option<Located<Values>>,
    pub(crate) secrets: Option<Located<Values>>,
    pub(crate) spread: SpreadDraft,
    pub(crate) providers: Providers,
    pub(crate) requirements: Vec<Located<Predicate>>,
}

/// How far workers must lie apart, as far as it could be read.
#[derive(Debug, Default)]
pub(crate) struct SpreadDraft {
    pub(crate) max_per_provider: Option<Located<u16>>,
    pub(crate) max_per_datacenter: Option<Located<u16>>,
    pub(crate) max_per_country: Option<Located<u16>>,
    pub(crate) min_providers: Option<Located<u16>>,
    pub(crate) min_countries: Option<Located<u16>>,
}

impl Draft {
    pub(crate) fn read(f: &mut Findings<'_>) -> Self {
        let document = f.parse();
        let mut plan = Table::new(&document);
        let mut draft = Self {
            name: plan.must(f, "name", text),
            cus_per_worker: plan.must(f, "cus_per_worker", number),
            min_workers: plan.must(f, "min_workers", number),
            target_workers: plan.must(f, "target_workers", number),
            limit_price: plan.must(f, "limit_price", usdc),
            funds: plan.must(f, "funds", usdc),
            duration: plan.may(f, "duration", seconds),
            hold: plan.may(f, "hold", seconds),
            effectors: plan.may(f, "effectors", texts),
            outbound: plan.may(f, "outbound", origins),
            reuse: plan.may(f, "reuse", number),
            wasi: plan.may(f, "wasi", wasi),
            protocol_version: plan.may(f, "protocol_version", number),
            monitor: plan.may(f, "monitor", hex),
            ..Self::default()
        };
        let hint = "add [function] with `path`, the file to run";
        if let Some(function) = plan.must_table(f, "function", hint) {
            draft.function(f, function);
        }
        draft.functions = plan.table(f, "functions").map(|table| Located {
            line: table.line(),
            value: table.texts_as(f, str::parse),
        });
        draft.environment = values(f, &mut plan, "environment");
        draft.config = values(f, &mut plan, "config");
        draft.secrets = values(f, &mut plan, "secrets");
        if let Some(spread) = plan.table(f, "spread") {
            draft.spread = SpreadDraft::read(f, spread);
        }
        if let Some(providers) = plan.table(f, "providers") {
            draft.providers = self::providers(f, providers);
        }
        let requirements = plan.tables(f, "requirements").into_iter();
        draft.requirements = requirements
            .filter_map(|table| requirement(f, table))
            .collect();
        plan.finish(f);
        draft
    }

    fn function(&mut self, f: &mut Findings<'_>, mut function: Table<'_, '_>) {
        self.path = function.must(f, "path", location);
        let sources = function.tables(f, "sources").into_iter();
        self.sources = sources.filter_map(|table| source(f, table)).collect();
        function.finish(f);
    }

    /// The plan, if nothing that it needs is missing.
    pub(crate) fn finish(self) -> Option<Plan> {
        let artifact = Artifact {
            sources: self
                .sources
                .into_iter()
                .map(|source| source.value)
                .collect(),
            // What they are is known when the file is read.
            ..Artifact::new(Hash::default(), 0)
        };
        let terms = Terms {
            artifact,
            units_per_worker: self.cus_per_worker?.value,
            min_workers: self.min_workers?.value,
            target_workers: self.target_workers?.value,
            limit_price: Price(self.limit_price?.value.0),
            pricing: Pricing::Epoch,
            duration: self.duration.map(|duration| duration.value),
            requirements: self
                .requirements
                .into_iter()
                .map(|each| each.value)
                .collect(),
            effectors: self
                .effectors
                .map_or_else(Vec::new, |effectors| effectors.value),
            protocol_version: self
                .protocol_version
                .map_or(PROTOCOL_VERSION, |version| version.value),
            spread: self.spread.finish(),
            providers: self.providers,
            hold: self.hold.map_or(Seconds(0), |hold| hold.value),
            monitor: self
                .monitor
                .map(|monitor| units::Address(monitor.value.into_array())),
        };
        let given = |values: Option<Located<Values>>| values.map_or_else(Values::new, |v| v.value);
        let settings = Settings {
            environment: given(self.environment),
            config: given(self.config),
            outbound: self
                .outbound
                .map_or_else(Vec::new, |outbound| outbound.value),
            reuse: self.reuse.map(|reuse| reuse.value),
            wasi: self.wasi.map(|wasi| wasi.value).unwrap_or_default(),
            secrets: None,
        };
        let file = |(name, path): (String, String)| (name, path.into());
        let functions = self.functions.map(|functions| functions.value);
        // A name that is none is found by `lint`.
        let function = |(name, path): (String, _)| Some((name.parse().ok()?, path));
        Some(Plan {
            name: self.name?.value,
            path: self.path?,
            others: functions
                .into_iter()
                .flatten()
                .filter_map(function)
                .collect(),
            settings,
            secrets: given(self.secrets).into_iter().map(file).collect(),
            terms,
            funds: self.funds?.value,
        })
    }
}

impl SpreadDraft {
    fn read(f: &mut Findings<'_>, mut spread: Table<'_, '_>) -> Self {
        let draft = Self {
            max_per_provider: spread.may(f, "max_per_provider", number),
            max_per_datacenter: spread.may(f, "max_per_datacenter", number),
            max_per_country: spread.may(f, "max_per_country", number),
            min_providers: spread.may(f, "min_providers", number),
            min_countries: spread.may(f, "min_countries", number),
        };
        spread.finish(f);
        draft
    }

    fn finish(self) -> Spread {
        let limit = |limit: Option<Located<u16>>| limit.map_or(0, |limit| limit.value);
        Spread {
            max_per_provider: limit(self.max_per_provider),
            max_per_datacenter: limit(self.max_per_datacenter),
            max_per_country: limit(self.max_per_country),
            min_providers: limit(self.min_providers),
            min_countries: limit(self.min_countries),
        }
    }
}

fn values(
    f: &mut Findings<'_>,
    plan: &mut Table<'_, '_>,
    key: &'static str,
) -> Option<Located<Values>> {
    let table = plan.table(f, key)?;
    let line = table.line();
    let value = table.texts(f);
    Some(Located { value, line })
}

fn providers(f: &mut Findings<'_>, mut table: Table<'_, '_>) -> Providers {
    let mut list = |field| {
        let ids = table.may(f, field, ids);
        ids.map_or_else(Vec::new, |ids| ids.value)
    };
    let providers = Providers {
        allow: list("allow"),
        deny: list("deny"),
    };
    table.finish(f);
    providers
}

fn source(f: &mut Findings<'_>, mut table: Table<'_, '_>) -> Option<Located<Source>> {
    let line = table.line();
    let key = table.must::<B256>(f, "key", hex);
    let endpoint = table.must(f, "endpoint", text);
    table.finish(f);
    let value = Source {
        key: PeerId(key?.value.0),
        endpoint: endpoint?.value,
    };
    Some(Located { value, line })
}

fn requirement(f: &mut Findings<'_>, mut table: Table<'_, '_>) -> Option<Located<Predicate>> {
    let line = table.line();
    let subject = table.must(f, "of", subject);
    let key = table.must(f, "key", text);
    let comparison = table.must(f, "test", comparison);
    let value = table.may(f, "value", value);
    table.finish(f);
    let comparison = comparison?;
    match test(&comparison.value.0, value.map(|value| value.value)) {
        Ok(test) => {
            let (subject, key) = (subject?.value, key?.value);
            let value = Predicate { subject, key, test };
            Some(Located { value, line })
        }
        Err(hint) => {
            let what = format!("test {:?} does not fit its `value`", comparison.value.0);
            f.add(comparison.line, what, hint);
            None
        }
    }
}

/// A value of a requirement: for `in`, several.
enum Given {
    One(Value),
    Several(Vec<Value>),
}

/// How an attribute is compared.
struct Comparison(String);

const COMPARISONS: [&str; 9] = ["=", "!=", "<", "<=", ">", ">=", "in", "has", "exists"];

fn test(comparison: &str, given: Option<Given>) -> Result<Test, &'static str> {
    match (comparison, given) {
        ("exists", None) => Ok(Test::Exists),
        ("exists", Some(_)) => Err("`exists` takes no value"),
        ("in", Some(Given::Several(values))) => Ok(Test::In(values)),
        ("in", _) => Err("`in` takes a list of values"),
        ("has", Some(Given::One(Value::Text(member)))) => Ok(Test::Has(member)),
        ("has", _) => Err("`has` takes one text, a member of the set"),
        ("=", given) => Ok(Test::Is(one(given)?)),
        ("!=", given) => Ok(Test::IsNot(one(given)?)),
        ("<", given) => Ok(Test::Below(ordered(given)?)),
        ("<=", given) => Ok(Test::AtMost(ordered(given)?)),
        (">", given) => Ok(Test::Above(ordered(given)?)),
        (">=", given) => Ok(Test::AtLeast(ordered(given)?)),
        _ => Err("tests are = != < <= > >= in has exists"),
    }
}

/// A list is one value too: a set, if it holds texts.
fn one(given: Option<Given>) -> Result<Value, &'static str> {
    match given.ok_or("this test takes a `value`")? {
        Given::One(value) => Ok(value),
        Given::Several(values) => {
            let text = |value| match value {
                Value::Text(text) => Some(text),
                _ => None,
            };
            let texts: Option<Vec<_>> = values.into_iter().map(text).collect();
            texts
                .map(Value::Set)
                .ok_or("a set holds texts; for one of several values use `in`")
        }
    }
}

fn ordered(given: Option<Given>) -> Result<Value, &'static str> {
    match one(given)? {
        value @ (Value::Integer(_) | Value::Version(..)) => Ok(value),
        _ => Err("only whole numbers and versions have an order"),
    }
}

fn text(value: &DeValue<'_>) -> Result<String, String> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned)
        .ok_or_else(|| "write a text in quotes".into())
}

fn location(value: &DeValue<'_>) -> Result<Location, String> {
    text(value)?.parse()
}

fn comparison(value: &DeValue<'_>) -> Result<Comparison, String> {
    text(value).map(Comparison)
}

fn texts(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let items = value
        .as_array()
        .map(|items| items.iter().map(|item| text(item.get_ref())).collect());
    items.unwrap_or_else(|| Err("write a list of texts, like [\"kv\"]".into()))
}

fn origins(value: &DeValue<'_>) -> Result<Vec<Origin>, String> {
    let texts = texts(value)
        .map_err(|_| "write a list of servers, like [\"https://api.example.com\"]".to_owned())?;
    let origin = |text: String| text.parse().map_err(|error: NotAnOrigin| error.to_string());
    texts.into_iter().map(origin).collect()
}

fn wasi(value: &DeValue<'_>) -> Result<Wasi, String> {
    let wasi = value.as_str().and_then(Wasi::named);
    wasi.ok_or_else(|| "write \"0.2\" or \"0.3\"".into())
}

fn ids(value: &DeValue<'_>) -> Result<Vec<ProviderId>, String> {
    let items = value.as_array();
    let id = |value: &DeValue<'_>| whole(value).and_then(|id| u64::try_from(id).ok());
    let ids = items.and_then(|items| items.iter().map(|item| id(item.get_ref())).collect());
    let ids: Option<Vec<u64>> = ids;
    let ids = ids.map(|ids| ids.into_iter().map(ProviderId).collect());
    ids.ok_or_else(|| "write a list of ids, like [1, 2]".into())
}

fn number<N: TryFrom<i64>>(value: &DeValue<'_>) -> Result<N, String> {
    let number = whole(value).and_then(|number| N::try_from(number).ok());
    let most = if size_of::<N>() == 2 {
        "65535"
    } else {
        "4294967295"
    };
    number.ok_or_else(|| format!("write a whole number from 0 to {most}"))
}

fn whole(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn usdc(value: &DeValue<'_>) -> Result<Usdc, String> {
    let text = value.as_str();
    text.map_or_else(
        || Err("write an amount of USDC in quotes, like \"0.50\"".into()),
        parse_usdc,
    )
}

fn seconds(value: &DeValue<'_>) -> Result<Seconds, String> {
    let text = value.as_str();
    let span = text.and_then(|text| humantime::parse_duration(text).ok());
    span.map(|span| Seconds(span.as_secs()))
        .ok_or_else(|| "write a length of time in quotes, like \"30d\" or \"12h\"".into())
}

fn hex<T: std::str::FromStr>(value: &DeValue<'_>) -> Result<T, String> {
    let parsed = value.as_str().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| {
        format!(
            "write {} bytes in quotes, as \"0x\" and hexadecimal digits",
            size_of::<T>()
        )
    })
}

fn subject(value: &DeValue<'_>) -> Result<Subject, String> {
    match value.as_str() {
        Some("offer") => Ok(Subject::Offer),
        Some("peer") => Ok(Subject::Peer),
        Some("datacenter") => Ok(Subject::Datacenter),
        Some("provider") => Ok(Subject::Provider),
        _ => Err("write \"offer\", \"peer\", \"datacenter\" or \"provider\"".into()),
    }
}

fn value(value: &DeValue<'_>) -> Result<Given, String> {
    match value.as_array() {
        Some(items) => {
            let items = items.iter().map(|item| single(item.get_ref()));
            Ok(Given::Several(items.collect::<Result<_, _>>()?))
        }
        None => single(value).map(Given::One),
    }
}

fn single(value: &DeValue<'_>) -> Result<Value, String> {
    if let Some(text) = value.as_str() {
        return Ok(Value::Text(text.to_owned()));
    }
    if let Some(number) = whole(value) {
        return Ok(Value::Integer(number));
    }
    let version = value.as_table().filter(|table| table.len() == 1);
    let parts = version.and_then(|table| table.get("version")?.get_ref().as_array());
    let parts: Option<Vec<u32>> = parts.and_then(|parts| {
        parts
            .iter()
            .map(|part| whole(part.get_ref())?.try_into().ok())
            .collect()
    });
    match parts.as_deref() {
        Some(&[major, minor, patch]) => Ok(Value::Version(major, minor, patch)),
        _ => Err("write a text, a whole number, a list of them, or { version = [1, 2, 3] }".into()),
    }
}
