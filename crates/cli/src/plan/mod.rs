//! Deployment plans: what a developer wants, as a TOML file.
//!
//! `schema` has the fields, `lint` what must hold between them. Both are pure: text in, plan or findings out. `components`
//! gets what a plan names, from files or from elsewhere, and `function` makes the artifact of it.
//! Promises P1 to P6: `docs/spec/plan.md`.

mod components;
mod function;
mod lint;
mod schema;

pub(crate) use components::Components;
pub(crate) use function::Function;
pub(crate) use schema::{Plan, published};

use crate::document::{self, Finding, Findings};
use schema::Draft;

/// Reads a plan.
///
/// # Errors
/// Everything that is wrong with it, by line.
pub(crate) fn read(text: &str) -> Result<Plan, Vec<Finding>> {
    if let Some(finding) = document::too_long(text) {
        return Err(vec![finding]);
    }
    let mut findings = Findings::new(text);
    let draft = Draft::read(&mut findings);
    lint::check(&draft, &mut findings);
    let plan = draft.finish();
    let findings = findings.sorted();
    match plan {
        Some(plan) if findings.is_empty() => Ok(plan),
        _ => Err(findings),
    }
}

#[cfg(test)]
mod tests {
    use super::{Components, read};
    use crate::import::{Fetch, Location, Moved};
    use client::view::demand::Demand;
    use std::{fmt::Write as _, fs, path::Path};
    use worker::settings::Wasi;

    /// (P19)
    #[test]
    fn a_good_plan_is_read_as_it_stands() {
        let plan = read(include_str!("../../tests/plans/good.toml")).unwrap();
        assert_eq!((plan.name.as_str(), plan.funds.0), ("hello", 12_000_000));
        let hello = Location::File("hello.wasm".into());
        assert_eq!((&plan.path.value, plan.path.line), (&hello, 13));
        let (name, words) = plan.others.first_key_value().unwrap();
        assert_eq!(name.as_str(), "words");
        assert_eq!(words.value, Location::File("words.wasm".into()));
        assert_eq!(plan.settings.environment["GREETING"], "hello");
        assert_eq!(plan.settings.reuse, Some(100));
        assert_eq!(plan.settings.config["greeting.text"], "hi");
        assert_eq!(
            plan.settings.outbound[0].to_string(),
            "https://api.example.com:443"
        );
        let terms = serde_json::to_string_pretty(&Demand::from(plan.terms)).unwrap() + "\n";
        let expected = include_str!("../../tests/plans/good.json");
        assert_eq!(terms, expected, "good.json should hold:\n{terms}");
    }

    /// (P5, P21)
    #[tokio::test]
    async fn a_function_that_would_run_nowhere_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let refusal_of = async |function: &[u8], wasi| {
            fs::write(folder.path().join("hello.wasm"), function).unwrap();
            let mut plan = read(include_str!("../../tests/plans/good.toml")).unwrap();
            plan.settings.wasi = wasi;
            let file = folder.path().join("plan.toml");
            let got = Components::get(&plan, &file, &Fetch::default(), Moved::Said).await;
            let findings = got.err().unwrap_or_default();
            findings.iter().map(ToString::to_string).collect::<String>()
        };
        let both = refusal_of(functions::HELLO, Wasi::V0_2).await;
        assert!(both.contains("words.wasm cannot be read"), "{both}");
        fs::write(folder.path().join("words.wasm"), functions::HELLO).unwrap();
        let refusal = async |function: &[u8]| refusal_of(function, Wasi::V0_2).await;
        assert_eq!(refusal(functions::HELLO).await, "");
        assert_eq!(refusal_of(functions::SERVICE, Wasi::V0_3).await, "");
        let newer = refusal(functions::SERVICE).await;
        assert!(
            newer.contains("add `wasi = \"0.3\"` to the plan"),
            "{newer}"
        );
        let forbidden = refusal(functions::hostile::TRESPASSER).await;
        assert!(
            forbidden.contains("imports \"marketplace:functions/"),
            "{forbidden}"
        );
        let module = refusal(b"\0asm\x01\0\0\0").await;
        assert!(module.contains("a core module, not a component"));
        assert!(refusal(b"hello").await.contains("not WebAssembly"));
    }

    /// (P1)
    #[test]
    fn everything_wrong_with_a_plan_is_found_at_once() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans");
        for name in ["empty", "types", "unknown", "contradictions", "broken"] {
            let plan = fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
            let mut found = String::new();
            for finding in read(&plan).unwrap_err() {
                writeln!(found, "{finding}").unwrap();
            }
            let expected =
                fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap_or_default();
            assert_eq!(found, expected, "{name}.txt should hold:\n{found}");
        }
    }
}
