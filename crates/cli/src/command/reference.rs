//! What `mp` says of itself is a checked-in file, and guides show commands that there are.

use super::Arguments;
use clap::{Command, CommandFactory as _, Parser as _};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const REFERENCE: &str = "docs/reference/commands.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The help of a command and of those below it. Options that every command has stand at the first one only.
fn write(into: &mut String, name: &str, command: &Command) {
    if command.is_hide_set() {
        return;
    }
    let mut shown = command
        .clone()
        .bin_name(name)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .mut_args(|argument| argument.hide_env_values(true));
    let help = shown.render_long_help().to_string();
    let lines: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
    let help = lines.join("\n");
    write!(into, "\n## {name}\n\n```text\n{help}\n```\n").expect("text");
    for below in command.get_subcommands() {
        write(into, &format!("{name} {}", below.get_name()), below);
    }
}

#[test]
fn the_reference_of_commands_is_what_they_say() {
    let mut found =
        "# Commands\n\nWhat `mp` says of itself, `mp help`; a test compares.\n".to_owned();
    write(&mut found, "mp", &Arguments::command());
    let path = root().join(REFERENCE);
    if env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &found).expect("writes");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == found,
        "{REFERENCE} differs; if that is meant, UPDATE_SNAPSHOTS=1"
    );
}

#[test]
fn guides_show_commands_that_there_are() {
    let mut count = 0;
    for entry in fs::read_dir(root().join("docs/guides")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a text");
        for line in text.lines().filter(|line| line.starts_with("mp ")) {
            let parsed = Arguments::try_parse_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{}: {line}: {parsed:?}", path.display());
            count += 1;
        }
    }
    assert!(count > 10, "{count} commands");
}
