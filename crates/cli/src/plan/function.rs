//! The function of a plan: what is built of the files that it names.

use super::Plan;
use anyhow::Context as _;
use client::AccountKey;
use client::marketplace::limits::MAX_ARTIFACT;
use client::marketplace::units::Hash;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::Path,
};
use worker::{
    ArtifactHash, Bundle,
    bundle::Name,
    config::Limits,
    settings::{Sealed, Secrets, Values},
};

/// What the deal's peers are given.
#[derive(Debug)]
pub(crate) struct Function {
    /// The artifact: the components, and the plan's settings behind them.
    pub(crate) artifact: Vec<u8>,
    /// The document of secrets that the artifact names.
    pub(crate) secrets: Option<Vec<u8>>,
}

impl Function {
    /// Reads the files that a plan names, from `folder`, and sets the plan's artifact. The same files, plan and account
    /// always make the same artifact. Without an account it is another one if there are secrets.
    pub(crate) fn build(
        plan: &mut Plan,
        folder: &Path,
        account: Option<&AccountKey>,
    ) -> anyhow::Result<Self> {
        let secrets = secrets(plan, folder, account)?;
        plan.settings.secrets = secrets.as_ref().map(|document| Sealed {
            hash: ArtifactHash(*blake3::hash(document).as_bytes()),
            size: document.len() as u64,
        });
        let path = folder.join(&plan.path);
        let packed = bundle(plan, folder)?;
        let packed = plan.settings.pack(packed);
        let artifact = packed.with_context(|| format!("no artifact of {}", path.display()))?;
        let size = artifact.len() as u64;
        anyhow::ensure!(
            (1..=MAX_ARTIFACT).contains(&size),
            "the function {} has {size} bytes\nhint: 1 to {MAX_ARTIFACT} are possible",
            path.display()
        );
        plan.terms.artifact.hash = Hash(*blake3::hash(&artifact).as_bytes());
        plan.terms.artifact.size = size;
        Ok(Self { artifact, secrets })
    }

    /// Makes sure that workers can compile it, as they do it themselves.
    pub(crate) fn check_compiles(&self) -> anyhow::Result<()> {
        worker::host::compiles(&self.artifact, &Limits::default()).map_err(|why| {
            anyhow::anyhow!(
                "the function would run nowhere: {why}\nhint: workers compile within the limits that \
                 docs/guides/functions.md names; build it smaller, with less generated code"
            )
        })
    }
}

/// The components of a plan.
fn bundle(plan: &Plan, folder: &Path) -> anyhow::Result<Vec<u8>> {
    let wasi = plan.settings.wasi;
    let component = |path: &Path| {
        let path = folder.join(path);
        let failed = || format!("the function {} cannot be read", path.display());
        let component = read(&path, MAX_ARTIFACT).with_context(failed)?;
        if let Err(why) = worker::host::interfaces(&component, wasi) {
            anyhow::bail!(
                "the function {} would run nowhere: {why}\nhint: a function is a component of `wasi:http` 0.2, or of 0.3 if the plan \
                 says so, that imports only what docs/guides/functions.md names",
                path.display()
            );
        }
        Ok(component)
    };
    let main = component(&plan.path)?;
    let others = plan.others.iter();
    let others: BTreeMap<&Name, Vec<u8>> = others
        .map(|(name, path)| Ok((name, component(path)?)))
        .collect::<anyhow::Result<_>>()?;
    let others = others.iter();
    let bundle = Bundle {
        main: &main,
        others: others
            .map(|(name, bytes)| ((*name).clone(), &bytes[..]))
            .collect(),
    };
    let packed = bundle.pack();
    packed.context("no artifact of these functions\nhint: name the components as they were built")
}

/// The document of a plan's secrets, if it has any.
fn secrets(
    plan: &Plan,
    folder: &Path,
    account: Option<&AccountKey>,
) -> anyhow::Result<Option<Vec<u8>>> {
    if plan.secrets.is_empty() {
        return Ok(None);
    }
    let mut values = Values::new();
    for (name, file) in &plan.secrets {
        let path = folder.join(file);
        let text = read(&path, worker::settings::MAX_BYTES as u64).and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| io::Error::other("it is not text in UTF-8"))
        });
        let text =
            text.with_context(|| format!("the secret {name} is not read from {}", path.display()))?;
        values.insert(name.clone(), text.trim_end_matches(['\r', '\n']).to_owned());
    }
    let salt = salt(&values, account)?;
    let document = Secrets { salt, values }.write();
    Ok(Some(document.context("the secrets cannot be given")?))
}

/// Known to the account's owner only, and the same for the same secrets: a plan that is applied again makes the same
/// artifact.
fn salt(values: &Values, account: Option<&AccountKey>) -> anyhow::Result<ArtifactHash> {
    let seed = account.map_or([0; 32], AccountKey::source_seed);
    let mut salt = blake3::Hasher::new_keyed(&seed);
    salt.update(b"marketplace+ salt of secrets");
    salt.update(&serde_json::to_vec(values)?);
    Ok(ArtifactHash(*salt.finalize().as_bytes()))
}

/// A file of at most `most` bytes.
fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?.take(most.saturating_add(1));
    if { file }.read_to_end(&mut bytes)? as u64 > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}
