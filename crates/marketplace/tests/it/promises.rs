//! Every promise of the specification has a scenario or a test that names it, and every scenario says what it is about:
//! its first line is `# M6, T2: A sentence.`

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// The documents of this crate.
const SPEC: [&str; 9] = [
    "commitment",
    "deal",
    "demand",
    "deposit",
    "ledger",
    "matching",
    "params",
    "supply",
    "time",
];

/// Documents of other crates, the letter of promises, and where tests name them: letters of two documents may be the same.
const OTHERS: [(&str, &str, &[&str]); 13] = [
    (
        "block",
        "B",
        &[
            "execution/tests/blocks",
            "node/src/audit",
            "simulation/tests",
        ],
    ),
    (
        "contract",
        "X",
        &["execution/tests/blocks", "abi/tests/face"],
    ),
    ("usdc", "U", &["execution/tests/blocks", "abi/tests/face"]),
    (
        "client",
        "K",
        &["client/tests", "client/src", "cli/tests/mp"],
    ),
    (
        "plan",
        "P",
        &[
            "cli/tests/mp",
            "cli/tests/mp/references",
            "cli/src",
            "cli/src/plan",
            "cli/src/plan/schema/published",
        ],
    ),
    ("capacity", "E", &["capacity/tests", "capacity/src"]),
    ("peer", "P", &["peer/src/planner"]),
    ("peer", "O", &["peer/src/overlay", "peer/src/overlay/tests"]),
    (
        "peer",
        "G",
        &[
            "cli/tests/mp",
            "peer/src/gateway",
            "peer/src/gateway/acme",
            "peer/src/gateway/acme/names",
            "peer/src/gateway/balance",
            "peer/src/gateway/domain",
            "peer/src/gateway/tests",
            "cli/tests/mp",
        ],
    ),
    (
        "peer",
        "D",
        &["peer/src/daemon", "peer/src/planner", "cli/tests/mp"],
    ),
    ("peer", "N", &["peer/src/prover"]),
    (
        "peer",
        "U",
        &[
            "peer/src",
            "peer/src/units",
            "peer/src/daemon",
            "cli/tests/mp",
        ],
    ),
    ("worker", "W", &["worker/tests/worker", "worker/src/host"]),
];

/// What no test shows. B11 is about a marketplace that breaks its own promises, and nothing makes this one do so. U6 needs
/// memory that forgets, in a peer with a dataset: what finds that is tested in `capacity`.
const UNSHOWN: [&str; 2] = ["B11", "U6"];

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files(folder: &str, end: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(here(folder)).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|found| found == end) {
            let text = read_to_string(&path).expect("a text");
            files.push((path.display().to_string(), text));
        }
    }
    files
}

/// `- **M6** …`, `- (N1) …` or `1. (P1) …` in a document.
fn promises_of(name: &str) -> BTreeSet<String> {
    let text = read_to_string(here(&format!("../../docs/spec/{name}.md"))).expect("a spec");
    let promises = text.lines().filter_map(|line| {
        let marked = line
            .strip_prefix("- **")
            .and_then(|line| line.split_once("**"));
        let listed = || {
            let bullet = line.strip_prefix("- (");
            let rest = bullet.or_else(|| Some(line.split_once(". (")?.1))?;
            rest.split_once(") ")
        };
        let (promise, _) = marked.or_else(listed)?;
        is_promise(promise).then(|| promise.to_owned())
    });
    promises.collect()
}

/// A letter and a number.
fn is_promise(text: &str) -> bool {
    let number = text.strip_prefix(|c: char| c.is_ascii_uppercase());
    number.is_some_and(|number| number.parse::<u16>().is_ok())
}

/// All promises of this crate.
fn promises() -> BTreeSet<String> {
    SPEC.into_iter().flat_map(promises_of).collect()
}

/// The promises that a scenario's first line names, if it has the form.
fn named(text: &str) -> Option<Vec<&str>> {
    let (numbers, sentence) = text.lines().next()?.strip_prefix("# ")?.split_once(": ")?;
    (!sentence.is_empty()).then(|| numbers.split(", ").collect())
}

/// Whether a text has this word.
fn has_word(text: &str, word: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|found| found == word)
}

#[test]
fn every_scenario_names_the_promises_it_is_about() {
    let promises = promises();
    let scenarios = files("tests/scenarios", "txt");
    let good = |text| {
        let named = named(text);
        named.is_some_and(|all| all.iter().all(|one| promises.contains(*one)))
    };
    let bad = scenarios.iter().filter(|(_, text)| !good(text));
    let bad: Vec<_> = bad.map(|(path, _)| path).collect();
    assert!(
        bad.is_empty(),
        "begin with `# M6, T2: A sentence.` in {bad:#?}"
    );
}

#[test]
fn every_promise_has_a_scenario_or_a_test_that_names_it() {
    let scenarios = files("tests/scenarios", "txt");
    let scenarios: Vec<_> = scenarios
        .iter()
        .filter_map(|(_, text)| named(text))
        .collect();
    let folders = ["tests/it", "tests/it/random"];
    let tests: Vec<_> = folders
        .iter()
        .flat_map(|folder| files(folder, "rs"))
        .collect();
    let missing = |promise: &&String| {
        let scenario = scenarios.iter().flatten().any(|one| one == promise);
        !scenario && !tests.iter().any(|(_, text)| has_word(text, promise))
    };
    let promises = promises();
    let missing: Vec<_> = promises.iter().filter(missing).collect();
    assert!(
        missing.is_empty(),
        "nothing shows that these hold: {missing:?}"
    );
}

/// Whether a test says in the line above it that it is about a promise: `/// (B3, B4)`.
fn is_named(text: &str, promise: &str) -> bool {
    let lines = text.lines().map(str::trim);
    let mut lists = lines.filter_map(|line| line.strip_prefix("/// (")?.strip_suffix(')'));
    lists.any(|list| list.split(", ").any(|one| one == promise))
}

#[test]
fn promises_of_other_crates_have_tests_that_name_them() {
    let mut missing = Vec::new();
    for (name, letter, folders) in OTHERS {
        let folders = folders.iter().map(|folder| format!("../{folder}"));
        let tests: Vec<_> = folders.flat_map(|folder| files(&folder, "rs")).collect();
        let shown = |promise: &str| tests.iter().any(|(_, text)| is_named(text, promise));
        let mut promises = promises_of(name);
        promises.retain(|promise| promise.starts_with(letter));
        assert!(!promises.is_empty(), "{name} promises nothing");
        let promises = promises.into_iter();
        let promises = promises.filter(|promise| !UNSHOWN.contains(&promise.as_str()));
        missing.extend(promises.filter(|promise| !shown(promise)));
    }
    assert!(
        missing.is_empty(),
        "nothing shows that these hold: {missing:?}"
    );
}

/// What the table of attacks names: tests of these folders, and scenarios.
#[test]
fn what_shows_the_end_of_an_attack_is_there() {
    let folders = ["tests/it", "../capacity/tests", "../execution/tests/blocks"];
    let tests: Vec<_> = folders
        .iter()
        .flat_map(|folder| files(folder, "rs"))
        .collect();
    let shown = |name: &str| match name.ends_with(".txt") {
        true => here("tests/scenarios").join(name).exists(),
        false => {
            let test = format!("#[test]\nfn {name}() {{");
            tests.iter().any(|(_, text)| text.contains(&test))
        }
    };
    let text = read_to_string(here("../../docs/spec/capacity.md")).expect("a spec");
    let (_, attacks) = text.split_once("## Attacks\n").expect("attacks");
    let rows = attacks.lines().skip_while(|line| !line.starts_with("|---"));
    let rows = rows.skip(1).take_while(|line| line.starts_with('|'));
    let names: Vec<_> = rows
        .map(|row| {
            row.trim_end_matches(" |")
                .rsplit_once("| ")
                .expect("three columns")
                .1
        })
        .collect();
    assert!(names.len() > 20, "attacks are missing");
    let names = names.iter().flat_map(|names| names.split(", "));
    let missing: Vec<_> = names
        .map(|name| name.trim_matches('`'))
        .filter(|name| !shown(name))
        .collect();
    assert!(missing.is_empty(), "there is no {missing:?}");
}

#[test]
fn each_promise_of_other_crates_is_looked_for() {
    for (name, ..) in OTHERS {
        let letters: Vec<_> = OTHERS.iter().filter(|(other, ..)| *other == name).collect();
        let looked = |promise: &&String| {
            letters
                .iter()
                .any(|(_, letter, _)| promise.starts_with(letter))
        };
        let promises = promises_of(name);
        let missing: Vec<_> = promises.iter().filter(|promise| !looked(promise)).collect();
        assert!(missing.is_empty(), "of {name}: {missing:?}");
    }
}
