//! Plans and supply files of any shape: read, or refused in words of bounded number and length.

use super::{
    Finding, MAX_BYTES, MAX_FINDINGS,
    dice::{Dice, Fuzz},
};
use crate::{plan, supply::Supply};
use client::marketplace::units::ProviderId;
use client::view::demand::Demand;
use client::view::time::Time;

const PLAN: &str = include_str!("../../tests/plans/good.toml");

const SUPPLY: &str = r#"name = "Alpine Compute"
operator_flt = "1.5"
[[datacenters]]
country = "CH"
city = "ZRH"
name = "Zurich 1"
certifications = ["iso27001"]
[datacenters.offer]
price = "1.2"
slope = "0.3"
allow = ["0x5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"]
min_duration = "1h"
max_duration = "30d"
max_units_per_deal = 16
[[datacenters.peers]]
key = "peer-0.json"
endpoints = ["203.0.113.7:4100"]
units = 2
oldest_version = 1
newest_version = 1
attributes = { "cpu.arch" = "x86_64", "net.mbps" = 1000, "kernel" = { version = [6, 1, 0] }, "gpu" = ["a", "b"] }
"#;

/// Values that somebody might write by mistake, or to harm.
const VALUES: [&str; 32] = [
    "",
    "0",
    "-1",
    "65535",
    "65536",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "0xffffffffffffffffff",
    "0b2",
    "1_000",
    "1e999",
    "nan",
    "true",
    "1979-05-27T07:32:00Z",
    "\"\"",
    "\"0x\"",
    "\"340282366920938463463374607431768211455\"",
    "\"0.0000001\"",
    "\"99999999999999999999999999d\"",
    "\"584542046090years\"",
    "\"\\u0000\\u001b[2J\"",
    "\"\\ud800\"",
    "'''",
    "\"\"\"\n\n",
    "[]",
    "[\"a\", 1, []]",
    "{}",
    "{ version = [1, 2] }",
    "{ version = [1, 2, 4294967296] }",
    "{ version = [1, 2, 3], x.y.z = 1 }",
];

/// Changes a few lines of a document, and sometimes any of its bytes.
fn mutate(dice: &mut Dice, text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=dice.below(3) {
        let at = dice.below(lines.len());
        match dice.below(7) {
            0 => drop(lines.remove(at)),
            1 => {
                let line = dice.of(&lines);
                lines.insert(at, line);
            }
            2 => lines.insert(at, format!("{} = {}", strange(dice), dice.of(&VALUES))),
            3 => lines[at] = nested(dice),
            _ => {
                let (key, value) = lines[at].split_once('=').unwrap_or((&lines[at], ""));
                lines[at] = match dice.one_in(4) {
                    true => format!("{} = {value}", strange(dice)),
                    false => format!("{key} = {}", dice.of(&VALUES)),
                };
            }
        }
        if lines.is_empty() {
            break;
        }
    }
    let mut text = lines.join("\n");
    if dice.one_in(4) {
        let mut bytes = text.into_bytes();
        dice.mutate(&mut bytes);
        text = String::from_utf8_lossy(&bytes).into_owned();
    }
    text
}

/// A key that nobody asked for.
fn strange(dice: &mut Dice) -> String {
    match dice.below(5) {
        0 => "x".repeat(dice.below(5_000)),
        1 => "a.".repeat(dice.below(300)) + "b",
        2 => "\"\\u001b[2J\\n\"".into(),
        3 => "function.path".into(),
        _ => "name".into(),
    }
}

/// Much of the same: nesting, or as many faults as there is room for.
fn nested(dice: &mut Dice) -> String {
    let times = dice.below(3_000);
    let (before, each) = dice.of(&[
        ("value = ", "["),
        ("value = ", "{ a = "),
        ("value = ", "[{ a = "),
        ("", "\n[[requirements]]"),
        ("", "\n[[function.sources]]\nkey = 1"),
        ("", "\n[[datacenters]]\n[[datacenters.peers]]"),
        ("", "\n[a"),
        ("", "\n= 1"),
    ]);
    before.to_owned() + &each.repeat(times)
}

fn is_bounded(finding: &Finding, text: &str) {
    let shown = finding.to_string();
    assert!(shown.len() < 2_000, "{shown}");
    assert!(!finding.what.is_empty() && !finding.hint.is_empty());
    assert!((1..=text.lines().count() + 1).contains(&finding.line));
    assert!(!shown.replace('\n', "").contains(char::is_control));
}

#[test]
fn plans_of_any_shape_are_read_or_refused_in_bounded_words() {
    // A slow machine may have time for so few rounds that none is read.
    assert!(plan::read(PLAN).is_ok());
    let mut fuzz = Fuzz::begin();
    let (mut read, mut refused) = (0, 0);
    while let Some(dice) = fuzz.round() {
        let text = mutate(dice, PLAN);
        match plan::read(&text) {
            Ok(plan) => {
                read += 1;
                let demand = Demand::from(plan.terms);
                serde_json::to_string(&demand).expect("JSON");
            }
            Err(findings) => {
                refused += 1;
                assert!((1..=MAX_FINDINGS + 1).contains(&findings.len()));
                findings.iter().for_each(|each| is_bounded(each, &text));
            }
        }
    }
    println!("{read} read, {refused} refused");
    assert!(refused > 0);
}

#[test]
fn supply_files_of_any_shape_are_read_or_refused_in_bounded_words() {
    let mut fuzz = Fuzz::begin();
    let (mut read, mut refused) = (0, 0);
    while let Some(dice) = fuzz.round() {
        let text = mutate(dice, SUPPLY);
        match Supply::read(&text) {
            Ok(supply) => {
                read += 1;
                use_all_of(&supply);
            }
            Err(finding) => {
                refused += 1;
                is_bounded(&finding, &text);
            }
        }
    }
    println!("{read} read, {refused} refused");
    assert!(read > 0 && refused > 0);
}

/// What registering does with a file, as far as it needs no chain.
fn use_all_of(supply: &Supply) {
    let refused = supply.operator_funds().err().into_iter();
    let datacenters = supply.datacenters.iter();
    let refused = refused.chain(datacenters.filter_map(|each| each.record(ProviderId(1)).err()));
    let offers = supply
        .datacenters
        .iter()
        .filter_map(|each| each.offer.as_ref());
    let now = Time::new(1, 1, 1_700_000_000_000, 20);
    let asked = offers.clone().filter_map(|offer| offer.curve().err());
    let accepted = offers.filter_map(|offer| offer.terms(&now).err());
    for error in refused.chain(asked).chain(accepted) {
        let shown = format!("{error:#}");
        assert!(shown.len() < 4_000, "{shown}");
    }
    let peers = supply.datacenters.iter().flat_map(|each| &each.peers);
    peers.for_each(|peer| drop(peer.attributes()));
}

#[test]
fn a_document_that_is_too_long_is_not_read() {
    let long = "#".repeat(MAX_BYTES + 1);
    let findings = plan::read(&long).expect_err("too long");
    assert_eq!(findings.len(), 1);
    assert_eq!(Supply::read(&long).expect_err("too long"), findings[0]);
}
