//! The components that a plan names, as they are now: read from files, or fetched.

use super::Plan;
use crate::document::{Finding, Located, clip};
use crate::import::{Fetch, Import, Imports, Location, Moved, Refused, max_component};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::Path,
};
use worker::{bundle::Name, host::Refusal, settings::Wasi};

/// The components of a plan.
#[derive(Debug)]
pub(crate) struct Components {
    pub(super) main: Vec<u8>,
    pub(super) others: BTreeMap<Name, Vec<u8>>,
    /// Those that were fetched, by the functions' names.
    pub(crate) imports: BTreeMap<String, Import>,
}

impl Components {
    /// Gets those of the plan in `file`.
    ///
    /// # Errors
    /// Everything that is wrong with them, by line.
    pub(crate) async fn get(
        plan: &Plan,
        file: &Path,
        fetch: &Fetch,
        moved: Moved,
    ) -> Result<Self, Vec<Finding>> {
        let mut source = Source {
            file,
            fetch,
            moved,
            wasi: plan.settings.wasi,
            imports: None,
            found: BTreeMap::new(),
        };
        let mut findings = Vec::new();
        let mut others = BTreeMap::new();
        let main = source.component(&Name::main(), &plan.path).await;
        let main = main.map_err(|finding| findings.push(finding));
        for (name, location) in &plan.others {
            match source.component(name, location).await {
                Ok(component) => _ = others.insert(name.clone(), component),
                Err(finding) => findings.push(finding),
            }
        }
        let (Ok(main), []) = (main, findings.as_slice()) else {
            findings.sort();
            return Err(findings);
        };
        let imports = source
            .looked_at()
            .map_err(|refused| vec![at(&plan.path, refused)])?;
        Ok(Self {
            main,
            others,
            imports,
        })
    }
}

/// Where components come from.
struct Source<'a> {
    /// The plan.
    file: &'a Path,
    fetch: &'a Fetch,
    moved: Moved,
    wasi: Wasi,
    /// Opened for the first reference.
    imports: Option<Imports>,
    found: BTreeMap<String, Import>,
}

impl Source<'_> {
    /// One that workers would run.
    async fn component(
        &mut self,
        name: &Name,
        location: &Located<Location>,
    ) -> Result<Vec<u8>, Finding> {
        let component = self.bytes(name, &location.value).await;
        let component = component.map_err(|refused| at(location, refused))?;
        match worker::host::interfaces(&component, self.wasi) {
            Ok(_) => Ok(component),
            Err(why) => Err(at(location, nowhere(&why))),
        }
    }

    async fn bytes(&mut self, name: &Name, location: &Location) -> Result<Vec<u8>, Refused> {
        match location {
            Location::File(path) => {
                let path = self.file.parent().unwrap_or(Path::new(".")).join(path);
                read(&path, max_component()).map_err(|error| unreadable(&path, &error))
            }
            Location::Oci(reference) => {
                let import = self.imports()?.oci(reference).await?;
                Ok(self.found(name, import))
            }
            Location::Ipfs(reference) => {
                let import = self.imports()?.ipfs(reference).await?;
                Ok(self.found(name, import))
            }
        }
    }

    fn found(&mut self, name: &Name, (bytes, import): (Vec<u8>, Import)) -> Vec<u8> {
        self.found.insert(name.to_string(), import);
        bytes
    }

    fn imports(&mut self) -> Result<&Imports, Refused> {
        let imports = match self.imports.take() {
            Some(imports) => imports,
            None => Imports::open(self.fetch, self.file, self.moved)?,
        };
        Ok(self.imports.insert(imports))
    }

    /// Gives what was fetched, and remembers that it was.
    fn looked_at(self) -> Result<BTreeMap<String, Import>, Refused> {
        if let Some(imports) = &self.imports {
            imports.looked_at(self.found.values())?;
        }
        Ok(self.found)
    }
}

/// A file of at most `most` bytes.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?.take(most.saturating_add(1));
    if { file }.read_to_end(&mut bytes)? as u64 > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Refused {
    Refused {
        what: format!("{} cannot be read: {error}", path.display()),
        hint: "name a file from where the plan lies; build it first".into(),
    }
}

fn nowhere(why: &Refusal) -> Refused {
    Refused {
        what: format!("it would run nowhere: {why}"),
        hint: "a function is a component of `wasi:http` 0.2, or of 0.3 if the plan says so, that imports only what \
               docs/guides/functions.md names"
            .into(),
    }
}

/// What is wrong with the component there.
fn at(location: &Located<Location>, refused: Refused) -> Finding {
    let Refused { what, hint } = refused;
    let function = clip(&location.value.to_string());
    Finding {
        line: location.line,
        what: format!("the function {function}: {what}"),
        hint,
    }
}
