//! What the market would do with a demand, and what to change if it would do nothing: in words, and in the names of a
//! plan's fields. (P9 of `docs/spec/plan.md`)

use crate::amount::{counted, usdc};
use crate::clock::span;
use client::view::attribute::{Requirement, Value};
use client::view::demand::Demand;
use client::view::explain::{Change, Explanation, Placement, Reason, Test, What};

/// Workers that are listed one by one.
const MAX_LISTED: usize = 20;

/// What an explanation says of a demand that wants so many workers more, in which so much money is, or would be.
pub(super) fn text(explanation: &Explanation, wanted: u16, terms: &Demand, money: u128) -> String {
    let placed = explanation.placed.len();
    let mut text = match placed {
        0 => "market    no worker would be placed now\n".to_owned(),
        _ => format!(
            "market    {placed} of {} would be placed now, for {} an epoch\n",
            counted(wanted, "worker"),
            usdc(explanation.rate)
        ),
    };
    for worker in explanation.placed.iter().take(MAX_LISTED) {
        text += &placement(worker);
    }
    if placed > MAX_LISTED {
        text += &format!("  and {} more\n", placed - MAX_LISTED);
    }
    if placed < wanted.into() {
        text += &reasons(explanation);
    }
    if placed == 0 {
        text += &changes(explanation, terms, money);
    }
    text
}

fn placement(worker: &Placement) -> String {
    format!(
        "  peer {} of provider {}, datacenter {}, {}: {} per CU and epoch\n",
        worker.peer,
        worker.provider,
        worker.datacenter,
        worker.country,
        usdc(worker.ask)
    )
}

fn reasons(explanation: &Explanation) -> String {
    if explanation.reasons.is_empty() && explanation.placed.is_empty() {
        return "  nobody offers a peer\n".to_owned();
    }
    let line = |count: &client::view::explain::Count| {
        let peers = counted(count.candidates, "peer");
        format!("  {peers}: {}\n", words(count.reason))
    };
    explanation.reasons.iter().map(line).collect()
}

fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::Price => "the offer asks more than the limit price",
        Reason::NotAdmitted => "the provider is not on this network's list",
        Reason::Expired => "the offer has expired",
        Reason::Duration => "the offer takes no deal of this duration",
        Reason::Hold => "the offer takes no hold this long",
        Reason::Developer => "the offer does not serve this account",
        Reason::Provider => "the plan does not take this provider",
        Reason::ServesAlready => "one of its workers serves this deal already",
        Reason::Excluded => "a worker of this deal left not long ago",
        Reason::Effector => "an effector is not offered",
        Reason::Requirement => "a requirement does not hold",
        Reason::Undefined => "a requirement is about an attribute that is not there",
        Reason::Version => "another protocol version is spoken",
        Reason::Units => "fewer idle CUs than a worker needs",
        Reason::Uncommitted => {
            "its commitment does not last as long as the worker may, or it has none"
        }
        Reason::BelowLowest => "the offer asks less than the peer's commitment allows",
        Reason::NotChosen => {
            "would do, but for the spread, the offer's CUs per deal, the least workers or the funds"
        }
    }
}

fn changes(explanation: &Explanation, terms: &Demand, money: u128) -> String {
    let changes = &explanation.changes;
    if explanation.reasons.is_empty() {
        return "hint: wait until somebody offers peers\n".to_owned();
    }
    if changes.is_empty() {
        return "  no change of one field would do\n\
                hint: ease what the most peers fail, and ask again; or wait for other offers\n"
            .to_owned();
    }
    let mut text = "  each of these changes would do, the nearest first:\n".to_owned();
    for (place, change) in changes.iter().enumerate() {
        // A requirement that may be eased or left out takes one line.
        let same =
            |other: &Change| requirement(other).is_some_and(|it| requirement(change) == Some(it));
        if changes.iter().take(place).any(same) {
            continue;
        }
        let rest = changes.iter().skip(place + 1);
        let dropped = rest.filter(|other| same(other)).count() > 0;
        text += &format!("  {}", line(change, terms, money, dropped));
        if change.escrow > money && !matches!(change.what, What::Escrow(_)) {
            text += &format!(", with funds of {} at least", usdc(change.escrow));
        }
        text += "\n";
    }
    text + "hint: make one of them, or wait for other offers\n"
}

fn requirement(change: &Change) -> Option<usize> {
    match change.what {
        What::Requirement { place, .. } => Some(place),
        _ => None,
    }
}

/// One change; `dropped`: the requirement may as well be left out.
fn line(change: &Change, terms: &Demand, money: u128, dropped: bool) -> String {
    let spread = &terms.spread;
    let number = |field: &str, to: u64, now: u64| format!("{field}: {to} (now {now})");
    let small = |field: &str, to: u16, now: u16| number(field, to.into(), now.into());
    match &change.what {
        What::LimitPrice(price) => format!(
            "limit_price: {} per CU and epoch (now {})",
            usdc(*price),
            bare(terms.limit_price)
        ),
        What::Escrow(escrow) => format!("funds: {} (now {})", usdc(*escrow), bare(money)),
        What::UnitsPerWorker(units) => small("cus_per_worker", *units, terms.units_per_worker),
        What::MinWorkers(min) => small("min_workers", *min, terms.min_workers),
        What::Requirement { place, test } => {
            let required = terms.requirements.get(*place);
            format!(
                "requirement {}: {}",
                place + 1,
                eased(required, test.as_ref(), dropped)
            )
        }
        What::Effector(place) => {
            let name = terms.effectors.get(*place).map_or("", String::as_str);
            format!("effectors: without {name:?}")
        }
        What::ProtocolVersion(version) => {
            let now = terms.protocol_version.into();
            number("protocol_version", (*version).into(), now)
        }
        What::Duration(duration) => {
            let now = terms.duration.map_or("none".to_owned(), span);
            format!("duration: {} (now {now})", span(*duration))
        }
        What::Hold(hold) => format!("hold: {} (now {})", span(*hold), span(terms.hold)),
        What::MaxPerProvider(cap) => {
            small("spread.max_per_provider", *cap, spread.max_per_provider)
        }
        What::MaxPerDatacenter(cap) => {
            small("spread.max_per_datacenter", *cap, spread.max_per_datacenter)
        }
        What::MaxPerCountry(cap) => small("spread.max_per_country", *cap, spread.max_per_country),
        What::MinProviders(min) => small("spread.min_providers", *min, spread.min_providers),
        What::MinCountries(min) => small("spread.min_countries", *min, spread.min_countries),
    }
}

/// An amount of USDC without its unit.
fn bare(millionths: u128) -> String {
    usdc(millionths).trim_end_matches(" USDC").to_owned()
}

fn eased(required: Option<&Requirement>, test: Option<&Test>, dropped: bool) -> String {
    let Some(required) = required else {
        return "without it".to_owned();
    };
    let Requirement { subject, key, .. } = required;
    let now = (required.test.as_str(), values(&required.values));
    let Some(test) = test else {
        return format!(
            "without it (now {subject} {key} {} {})",
            comparison(now.0),
            now.1
        )
        .replace(" )", ")");
    };
    let to = values(&test.values);
    let now = match test.test == required.test {
        true => now.1,
        false => format!("{} {}", comparison(now.0), now.1),
    };
    let or = if dropped { ", or without it" } else { "" };
    format!(
        "{subject} {key} {} {to} (now {now}){or}",
        comparison(&test.test)
    )
}

fn comparison(test: &str) -> &str {
    match test {
        "=" => "equal to",
        "!=" => "other than",
        "<" => "below",
        "<=" => "at most",
        ">" => "above",
        ">=" => "at least",
        "in" => "one of",
        "has" => "with",
        other => other,
    }
}

fn values(values: &[Value]) -> String {
    let each = |value: &Value| match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Set(members) => format!("{members:?}"),
        Value::Version {
            version: [major, minor, patch],
        } => format!("{major}.{minor}.{patch}"),
        Value::Attested { .. } => "attested".to_owned(),
    };
    values.iter().map(each).collect::<Vec<_>>().join(", ")
}
