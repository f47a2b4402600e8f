//! `mp init`: the folder of a new function, from a template.

mod template;

use crate::amount::counted;
use crate::printer::Printer;
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};
use template::{Function, Template};

/// Bytes of a name: npm and cargo take it, and so do folders.
const MAX_NAME: usize = 64;

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// What the function is called: the folder to make.
    #[arg(default_value = "hello", value_parser = name)]
    name: String,
    /// The language that it is written in.
    #[arg(long, value_enum, default_value = "rust")]
    template: Template,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    folder: PathBuf,
    template: Template,
    files: Vec<String>,
    /// The commands that build it, in the folder.
    build: Vec<&'static str>,
}

impl Init {
    pub(crate) fn run(&self, printer: &Printer) -> anyhow::Result<()> {
        let (folder, function) = (PathBuf::from(&self.name), self.template.function());
        let files = function.files(&self.name);
        write(&folder, &files)?;
        let text = said(&self.name, files.len(), &function);
        let made = Made {
            folder,
            template: self.template,
            files: files.into_iter().map(|(path, _)| path).collect(),
            build: function.build.lines().collect(),
        };
        printer.result(&made, &text);
        Ok(())
    }
}

fn said(name: &str, files: usize, function: &Function) -> String {
    let (files, language) = (counted(files, "file"), function.language);
    let mut text = format!("{name}: a function in {language}, {files}; README.md says more\n");
    let commands = [
        &format!("cd {name}"),
        function.build,
        "mp deploy plan plan.toml",
    ];
    for command in commands.iter().flat_map(|commands| commands.lines()) {
        text += &format!("  {command}\n");
    }
    text
}

/// Makes the folder and its files. What is there already is left as it is.
fn write(folder: &Path, files: &[(String, String)]) -> anyhow::Result<()> {
    fs::create_dir(folder).with_context(|| {
        let hint = match folder.exists() {
            true => "it is there already: choose another name, nothing is overwritten",
            false => "go to a folder of yours that may be written",
        };
        format!(
            "the folder {} cannot be made\nhint: {hint}",
            folder.display()
        )
    })?;
    for (path, text) in files {
        let path = folder.join(path);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all);
        let written = written.and_then(|()| File::create_new(&path)?.write_all(text.as_bytes()));
        written.with_context(|| {
            let folder = folder.display();
            format!(
                "{} cannot be written\nhint: remove {folder} and try again",
                path.display()
            )
        })?;
    }
    Ok(())
}

/// A name that folders, cargo and npm take alike.
fn name(text: &str) -> Result<String, String> {
    let begins = text.starts_with(|first: char| first.is_ascii_lowercase());
    let known = |each: char| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '-';
    match begins && text.len() <= MAX_NAME && text.chars().all(known) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "write a name of small letters, digits and dashes that begins with a letter, at most {MAX_NAME} of them"
        )),
    }
}

#[cfg(test)]
mod tests;
