//! What must hold between the fields of a plan. The chain refuses most of it too; here it costs nothing and names
//! the line.

use super::schema::Draft;
use crate::document::{Findings, Located};
use client::marketplace::attribute::{Predicate, Test};
use client::marketplace::limits::{MAX_EFFECTORS, MAX_ENDPOINTS, MAX_REQUIREMENTS, MAX_UNITS};
use peer::gateway::deal_name;
use worker::{
    Settings,
    bundle::{MAX_FUNCTIONS, Name},
    settings::{Origin, inside},
};

/// Adds what is wrong.
pub(crate) fn check(draft: &Draft, findings: &mut Findings<'_>) {
    numbers(draft, findings);
    workers(draft, findings);
    requirements(draft, findings);
    lengths(draft, findings);
    functions(draft, findings);
    settings(draft, findings);
}

/// Functions that ask each other.
fn functions(draft: &Draft, findings: &mut Findings<'_>) {
    if let Some(Located { value, line }) = &draft.functions {
        if value.len() >= MAX_FUNCTIONS {
            let what = format!("`functions` has {} entries", value.len());
            let hint = format!(
                "at most {} beside `function` are allowed",
                MAX_FUNCTIONS - 1
            );
            findings.add(*line, what, hint);
        }
        for error in value.keys().filter_map(|name| name.parse::<Name>().err()) {
            findings.add(
                *line,
                format!("`functions`: {error}"),
                "give it another name",
            );
        }
    }
    let Some(Located { value, line }) = &draft.outbound else {
        return;
    };
    let is_deal = |origin: &Origin| origin.deal().and_then(deal_name).is_some();
    let is_inside = |origin: &&Origin| inside(&origin.host).is_some() && !is_deal(origin);
    for origin in value.iter().filter(is_inside) {
        let hint = "a function is asked by its name in [functions], without this line; a deal as http://7.0x<its owner>.internal";
        findings.add(*line, format!("`outbound`: {origin} is no server"), hint);
    }
}

/// What the function is given.
fn settings(draft: &Draft, findings: &mut Findings<'_>) {
    let none = || Settings::default();
    if let Some(Located { value, line }) = &draft.environment {
        let environment = value.clone();
        let settings = Settings {
            environment,
            ..none()
        };
        limits("environment", *line, &settings, findings);
    }
    if let Some(Located { value, line }) = &draft.config {
        let config = value.clone();
        limits("config", *line, &Settings { config, ..none() }, findings);
    }
    if let Some(Located { value, line }) = &draft.outbound {
        let outbound = value.clone();
        limits(
            "outbound",
            *line,
            &Settings { outbound, ..none() },
            findings,
        );
    }
    if let Some(Located { value, line }) = &draft.reuse {
        let reuse = Some(*value);
        limits("reuse", *line, &Settings { reuse, ..none() }, findings);
    }
    let Some(Located { value, line }) = &draft.secrets else {
        return;
    };
    let environment = value.clone();
    let settings = Settings {
        environment,
        ..none()
    };
    limits("secrets", *line, &settings, findings);
    let in_the_open = [&draft.environment, &draft.config];
    let is_set = |name: &&String| {
        let mut tables = in_the_open.iter().copied().flatten();
        tables.any(|table| table.value.contains_key(*name))
    };
    if let Some(name) = value.keys().find(is_set) {
        let what = format!("`{name}` is a secret, and set in the open as well");
        findings.add(
            *line,
            what,
            "a secret is environment variable and configuration by itself",
        );
    }
}

fn limits(key: &str, line: usize, settings: &Settings, findings: &mut Findings<'_>) {
    if let Err(error) = settings.check() {
        let hint = format!("mend `{key}`");
        findings.add(line, format!("`{key}`: {error}"), hint);
    }
}

fn numbers(draft: &Draft, findings: &mut Findings<'_>) {
    let counts = [
        ("cus_per_worker", &draft.cus_per_worker),
        ("min_workers", &draft.min_workers),
        ("target_workers", &draft.target_workers),
    ];
    for (key, count) in counts {
        if let Some(Located { value: 0, line }) = count {
            findings.add(*line, format!("`{key}` is 0"), "at least 1 is needed");
        }
    }
    if let Some(cus) = &draft.cus_per_worker
        && cus.value > MAX_UNITS
    {
        let what = format!(
            "`cus_per_worker` is {}, no peer has more than {MAX_UNITS}",
            cus.value
        );
        findings.add(cus.line, what, "use more workers with fewer CUs each");
    }
    if let Some(limit) = &draft.limit_price
        && limit.value.0 == 0
    {
        findings.add(
            limit.line,
            "`limit_price` is 0",
            "name the highest price you would pay per CU and epoch",
        );
    }
}

fn workers(draft: &Draft, findings: &mut Findings<'_>) {
    let (Some(min), Some(target)) = (&draft.min_workers, &draft.target_workers) else {
        return;
    };
    if min.value > target.value {
        let what = format!(
            "`min_workers` is {}, more than the target of {}",
            min.value, target.value
        );
        findings.add(min.line, what, "lower it, or raise `target_workers`");
    }
    let distinct = [
        ("min_providers", &draft.spread.min_providers),
        ("min_countries", &draft.spread.min_countries),
    ];
    for (key, wanted) in distinct {
        if let Some(wanted) = wanted
            && wanted.value > min.value
        {
            let what = format!(
                "`{key}` is {}, more than the least number of workers, {}",
                wanted.value, min.value
            );
            findings.add(
                wanted.line,
                what,
                format!("lower it, or raise `min_workers` to {}", wanted.value),
            );
        }
    }
}

/// Two requirements that no supply can meet together.
fn requirements(draft: &Draft, findings: &mut Findings<'_>) {
    // More than there may be are a fault of their own.
    let possible = draft.requirements.iter().take(MAX_REQUIREMENTS);
    for (place, later) in possible.enumerate() {
        let mut earlier = draft.requirements.iter().take(place);
        if let Some(earlier) = earlier.find(|earlier| contradict(&earlier.value, &later.value)) {
            let what = format!(
                "`{}` cannot also equal what line {} asks for",
                later.value.key, earlier.line
            );
            findings.add(
                later.line,
                what,
                "all requirements must hold; for one of several values use test = \"in\"",
            );
        }
    }
}

fn contradict(a: &Predicate, b: &Predicate) -> bool {
    let same = a.subject == b.subject && a.key == b.key;
    same && matches!((&a.test, &b.test), (Test::Is(one), Test::Is(other)) if one != other)
}

fn lengths(draft: &Draft, findings: &mut Findings<'_>) {
    let mut long = |key: &str, line: usize, length: usize, most: usize| {
        if length > most {
            let what = format!("`{key}` has {length} entries, at most {most} are allowed");
            findings.add(line, what, "leave out what matters least");
        }
    };
    if let Some(last) = draft.requirements.last() {
        long(
            "requirements",
            last.line,
            draft.requirements.len(),
            MAX_REQUIREMENTS,
        );
    }
    if let Some(last) = draft.sources.last() {
        // One more is this machine.
        long("sources", last.line, draft.sources.len(), MAX_ENDPOINTS - 1);
    }
    if let Some(effectors) = &draft.effectors {
        long(
            "effectors",
            effectors.line,
            effectors.value.len(),
            MAX_EFFECTORS,
        );
    }
}
