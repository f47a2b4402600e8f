use super::template::Template;
use super::{name, write};
use crate::command::Arguments;
use crate::plan;
use clap::{Parser as _, ValueEnum as _};
use std::{fs, path::Path};

fn text<'a>(files: &'a [(String, String)], path: &str) -> &'a str {
    let file = files.iter().find(|(each, _)| each == path);
    &file.unwrap_or_else(|| panic!("no {path}")).1
}

#[test]
fn every_template_has_a_plan_without_fault_and_commands_that_there_are() {
    for template in Template::value_variants() {
        let function = template.function();
        let files = function.files("some-name");
        let plan = plan::read(text(&files, "plan.toml")).unwrap();
        assert_eq!(plan.name, "some-name");
        let readme = text(&files, "README.md");
        assert!(readme.contains(function.build), "{template:?}");
        assert!(
            readme.contains(&plan.path.value.to_string()),
            "{template:?}"
        );
        let commands = readme.lines().filter(|line| line.starts_with("mp "));
        let parsed = commands.map(|line| Arguments::try_parse_from(line.split_whitespace()));
        assert_eq!(parsed.filter(Result::is_ok).count(), 8, "{readme}");
    }
}

#[test]
fn every_example_has_a_plan_without_fault_and_commands_that_there_are() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut count = 0;
    for entry in fs::read_dir(examples).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(text) = fs::read_to_string(folder.join("plan.toml")) else {
            continue;
        };
        let plan = plan::read(&text).unwrap_or_else(|found| panic!("{found:?}"));
        assert_eq!(folder.file_name().unwrap().to_str(), Some(&*plan.name));
        let readme = fs::read_to_string(folder.join("README.md")).unwrap();
        for line in readme.lines().filter(|line| line.starts_with("mp ")) {
            let parsed = Arguments::try_parse_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
            count += 1;
        }
    }
    assert!(count >= 8, "{count} commands");
}

/// Examples stand on their own, so one has a copy of an interface.
#[test]
fn an_interface_in_an_example_is_the_one_that_workers_have() {
    let copy = include_str!("../../../../../examples/notes/wit/deps/keyvalue.wit");
    assert!(functions::WIT.contains(&("keyvalue", copy)));
}

#[test]
fn nothing_is_left_to_fill_in() {
    for template in Template::value_variants() {
        for (path, text) in template.function().files("some-name") {
            assert!(!text.contains("{{"), "{template:?}: {path}");
        }
    }
}

/// What a guide shows of one is true of all.
#[test]
fn all_templates_answer_the_same() {
    for template in Template::value_variants() {
        let files = template.function().files("some-name");
        let greets = |(_, text): &&(String, String)| text.contains("Hello, world! You asked for ");
        let greeting: Vec<_> = files.iter().filter(greets).collect();
        assert_eq!(greeting.len(), 1, "{template:?}");
        let readme = text(&files, "README.md");
        assert!(readme.contains(&format!("`{}`", greeting[0].0)), "{readme}");
    }
}

#[test]
fn a_name_is_one_that_folders_and_package_managers_take() {
    let long = "a".repeat(65);
    for good in ["a", "hello-2", &long[..64]] {
        assert_eq!(name(good).as_deref(), Ok(good));
    }
    for bad in ["", "Hello", "2nd", "-a", "a/b", "..", "a b", "é", &long] {
        assert!(name(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn what_is_there_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let files = [("a/b".to_owned(), "new".to_owned())];
    let made = folder.path().join("made");
    write(&made, &files).unwrap();
    assert_eq!(fs::read_to_string(made.join("a/b")).unwrap(), "new");
    let error = write(&made, &[("a/b".to_owned(), "other".to_owned())]).unwrap_err();
    assert!(
        error.to_string().contains("hint: it is there already"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(made.join("a/b")).unwrap(), "new");
}
