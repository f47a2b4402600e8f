//! What the developer gives to a function beside its code: settings from the artifact, secrets from a file.

use super::Refusal;
use crate::{
    ArtifactHash, Settings,
    control::Reason,
    settings::{Error, MAX_BYTES, Origin, Sealed, Secrets},
};
use std::{fs::File, io::Read as _, path::Path};
use wasmtime_wasi_config::WasiConfigVariables;

/// As requests need it.
pub(super) struct Given {
    pub(super) environment: Vec<(String, String)>,
    pub(super) config: WasiConfigVariables,
    /// Whom it may ask.
    pub(super) outbound: Vec<Origin>,
    /// Requests that one instance may serve.
    pub(super) reuse: u32,
}

/// The functions of an artifact, and what is given to them.
///
/// # Errors
/// The settings are wrong, or the secrets they name are not in the file.
pub(super) fn split<'a>(
    artifact: &'a [u8],
    secrets: Option<&Path>,
) -> Result<(&'a [u8], Given), Refusal> {
    let (functions, mut settings) = Settings::split(artifact).map_err(|error| wrong(&error))?;
    if let Some(sealed) = settings.secrets.take() {
        let secrets = open(&sealed, secrets)?;
        settings = settings.with(secrets).map_err(|error| wrong(&error))?;
    }
    let given = Given {
        environment: settings.environment.into_iter().collect(),
        config: settings.config.into_iter().collect(),
        outbound: settings.outbound,
        reuse: settings.reuse.unwrap_or(1),
    };
    Ok((functions, given))
}

fn wrong(error: &Error) -> Refusal {
    Refusal::new(
        Reason::BadComponent,
        format!("the function's settings: {error}"),
    )
}

/// Reads the document, and makes sure that it is the one that the artifact names.
fn open(sealed: &Sealed, file: Option<&Path>) -> Result<Secrets, Refusal> {
    let missing = |why: String| Refusal::new(Reason::ArtifactMissing, why);
    let file = file.ok_or_else(|| missing("the function's secrets are not here".into()))?;
    let mut document = Vec::new();
    File::open(file)
        .and_then(|open| open.take(MAX_BYTES as u64 + 1).read_to_end(&mut document))
        .map_err(|error| missing(format!("cannot read {}: {error}", file.display())))?;
    if ArtifactHash(*blake3::hash(&document).as_bytes()) != sealed.hash {
        let detail = "the secrets are not those of the artifact";
        return Err(Refusal::new(Reason::ArtifactMismatch, detail));
    }
    Secrets::parse(&document).map_err(|error| wrong(&error))
}
