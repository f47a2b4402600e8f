//! The function of a plan: what is built of its components, settings and secrets.

use super::{
    Plan,
    components::{Components, read},
};
use crate::import::{Import, max_component};
use anyhow::Context as _;
use client::AccountKey;
use client::marketplace::units::Hash;
use std::{collections::BTreeMap, io, path::Path};
use worker::{
    ArtifactHash, Bundle,
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
    /// Components that were fetched, by the functions' names.
    pub(crate) imports: BTreeMap<String, Import>,
}

impl Function {
    /// Reads the secrets that a plan names, from `folder`, and sets the plan's artifact. The same files, components, plan and
    /// account always make the same artifact. Without an account it is another one if there are secrets.
    pub(crate) fn build(
        plan: &mut Plan,
        components: Components,
        folder: &Path,
        account: Option<&AccountKey>,
    ) -> anyhow::Result<Self> {
        let secrets = secrets(plan, folder, account)?;
        plan.settings.secrets = secrets.as_ref().map(|document| Sealed {
            hash: ArtifactHash(*blake3::hash(document).as_bytes()),
            size: document.len() as u64,
        });
        let packed = plan.settings.pack(bundle(&components)?);
        let artifact = packed.with_context(|| format!("no artifact of {}", plan.path.value))?;
        let size = artifact.len() as u64;
        anyhow::ensure!(
            (1..=max_component()).contains(&size),
            "the function {} has {size} bytes, with all that is in it\nhint: 1 to {} are possible",
            plan.path.value,
            max_component()
        );
        plan.terms.artifact.hash = Hash(*blake3::hash(&artifact).as_bytes());
        plan.terms.artifact.size = size;
        Ok(Self {
            artifact,
            secrets,
            imports: components.imports,
        })
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

/// Components in one artifact.
fn bundle(components: &Components) -> anyhow::Result<Vec<u8>> {
    let others = components.others.iter();
    let bundle = Bundle {
        main: &components.main,
        others: others
            .map(|(name, bytes)| (name.clone(), &bytes[..]))
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
