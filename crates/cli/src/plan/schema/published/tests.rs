//! The published schema is made of the fields that reading asks for. That plans fit it, `tests/ethereum/plan.test.mjs`
//! shows with a validator that is not ours. (P16)

use super::{COMPARISONS, FIELDS, fields, published};
use crate::document::Findings;
use crate::plan::{read, schema::Draft};
use std::{env, fs, path::Path};

const SNAPSHOT: &str = "docs/reference/plan.schema.json";

/// (P16)
#[test]
fn the_published_schema_is_that_of_the_fields() {
    let found = serde_json::to_string_pretty(&published()).unwrap() + "\n";
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join(SNAPSHOT);
    if env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == found,
        "{SNAPSHOT} differs; if that is meant, UPDATE_SNAPSHOTS=1"
    );
}

#[test]
fn every_field_stands_in_the_example_with_what_it_is_for() {
    let mut findings = Findings::new(FIELDS);
    Draft::read(&mut findings);
    assert_eq!(findings.sorted(), []);
    let fields = fields();
    assert!(fields.len() > 30, "{} fields", fields.len());
    for field in fields {
        let path = field.path.join(".");
        assert!(field.line.is_some(), "fields.toml has no {path}");
        let comment = field.comment(FIELDS);
        assert!(!comment.is_empty(), "fields.toml: what is {path} for?");
    }
}

#[test]
fn every_comparison_of_the_schema_can_be_asked_for() {
    let good = include_str!("../../../../tests/plans/good.toml");
    for comparison in COMPARISONS {
        let value = match comparison {
            "exists" => "",
            "in" => "value = [1, { version = [1, 2, 3] }]",
            "has" => "value = \"a\"",
            _ => "value = 3",
        };
        let requirement = format!(
            "[[requirements]]\nof = \"offer\"\nkey = \"k\"\ntest = \"{comparison}\"\n{value}\n"
        );
        let plan = read(&format!("{good}{requirement}"));
        assert!(plan.is_ok(), "{comparison}: {plan:?}");
    }
    assert!(read(&good.replace("test = \"in\"", "test = \"like\"")).is_err());
}
