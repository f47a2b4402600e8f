//! What may run here: exactly the bytes of the deal, and only what asks for nothing but what a
//! worker gives.

use super::Refusal;
use crate::{ArtifactHash, control::Reason, settings::Wasi};
use std::{fs::File, io::Read as _, path::Path};
use wasmparser::{ComponentExternalKind, ComponentTypeRef, Encoding, Parser, Payload};

/// What a function may import, with the version of the interface it was built against cut off: the worlds `wasi:http/proxy` and
/// `wasi:cli/imports`, which the standard libraries of most languages import whole. `engine` links the same, `guest` leaves
/// files and sockets empty.
const IMPORTS: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// The same worlds of 0.3.
const IMPORTS_0_3: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/types",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/system-clock",
    "wasi:clocks/types",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/client",
    "wasi:http/types",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/types",
];

/// Drafts that a function may import, in exactly this version.
const DRAFTS: &[&str] = &[
    "wasi:config/store@0.2.0-rc.1",
    "wasi:keyvalue/atomics@0.2.0-draft",
    "wasi:keyvalue/batch@0.2.0-draft",
    "wasi:keyvalue/store@0.2.0-draft",
];

/// What a function that keeps state imports.
const STATE: &str = "wasi:keyvalue/";

/// What a function must export, one of the two.
const EXPORT: &str = "wasi:http/incoming-handler";
const EXPORT_0_3: &str = "wasi:http/handler";

/// What a component needs that not every machine has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// It keeps state.
    pub state: bool,
}

/// Reads the artifact at `path` and makes sure that it is the one named by `hash`.
///
/// # Errors
/// The first rule that it breaks.
pub(super) fn admit(path: &Path, hash: ArtifactHash, most_bytes: u64) -> Result<Vec<u8>, Refusal> {
    let bytes = read(path, most_bytes)?;
    let found = ArtifactHash(*blake3::hash(&bytes).as_bytes());
    if found != hash {
        let detail = format!("the artifact is {found}, not {hash}");
        return Err(Refusal::new(Reason::ArtifactMismatch, detail));
    }
    Ok(bytes)
}

/// Reads at most one byte more than is allowed, whatever the file says about its size.
fn read(path: &Path, most_bytes: u64) -> Result<Vec<u8>, Refusal> {
    let missing = |error| {
        let detail = format!("cannot read {}: {error}", path.display());
        Refusal::new(Reason::ArtifactMissing, detail)
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(missing)?;
    let read = file.take(most_bytes + 1).read_to_end(&mut bytes);
    if read.map_err(missing)? as u64 > most_bytes {
        let detail = format!("the artifact is larger than {most_bytes} bytes");
        return Err(Refusal::new(Reason::ArtifactTooLarge, detail));
    }
    Ok(bytes)
}

/// Checks what a component imports and exports, where `wasi` is the newest version that it may be built for, and says what
/// it needs. Code inside is validated by the compiler; what is
/// not linked cannot be reached in any case: this is for a clear answer before any work is done.
///
/// # Errors
/// It is no component, imports something else, or does not serve HTTP.
pub fn interfaces(bytes: &[u8], wasi: Wasi) -> Result<Needs, Refusal> {
    let bad = |detail: String| Refusal::new(Reason::BadComponent, detail);
    let mut depth = 0_u32;
    let mut serves = false;
    let mut needs = Needs::default();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| bad(format!("the artifact is not WebAssembly: {error}")))? {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } if depth == 0 => {
                return Err(bad("the artifact is a core module, not a component".into()));
            }
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 1 => {
                for import in imports {
                    let import = import.map_err(|error| bad(error.to_string()))?;
                    let is_interface = matches!(import.ty, ComponentTypeRef::Instance(_));
                    allowed(import.name.name, is_interface, wasi)?;
                    needs.state |= import.name.name.starts_with(STATE);
                }
            }
            Payload::ComponentExportSection(exports) if depth == 1 => {
                for export in exports {
                    let export = export.map_err(|error| bad(error.to_string()))?;
                    serves |= export.kind == ComponentExternalKind::Instance
                        && is_handler(export.name.name, wasi)?;
                }
            }
            _ => {}
        }
    }
    if serves {
        Ok(needs)
    } else {
        Err(bad(format!(
            "the component exports neither {EXPORT}@0.2 nor {EXPORT_0_3}@0.3"
        )))
    }
}

fn allowed(name: &str, is_interface: bool, wasi: Wasi) -> Result<(), Refusal> {
    let is_in = |version, list: &[&str]| {
        interface(name, version).is_some_and(|interface| list.contains(&interface))
    };
    let is_old = is_in(Wasi::V0_2, IMPORTS) || DRAFTS.contains(&name);
    let is_new = is_in(Wasi::V0_3, IMPORTS_0_3);
    if !is_interface || !(is_old || is_new) {
        let detail = format!("the component imports {name:?}, which no worker gives");
        return Err(Refusal::new(Reason::ForbiddenImport, detail));
    }
    if is_new { asked(name, wasi) } else { Ok(()) }
}

/// Whether an export is what a worker calls.
fn is_handler(name: &str, wasi: Wasi) -> Result<bool, Refusal> {
    if interface(name, Wasi::V0_3) == Some(EXPORT_0_3) {
        return asked(name, wasi).map(|()| true);
    }
    Ok(interface(name, Wasi::V0_2) == Some(EXPORT))
}

/// Makes sure that the plan asks for what is newer than most functions need.
fn asked(name: &str, wasi: Wasi) -> Result<(), Refusal> {
    if wasi >= Wasi::V0_3 {
        return Ok(());
    }
    let detail = format!(
        "the component is built for WASI 0.3 ({name:?}), which its plan does not ask for: add `wasi = \"0.3\"` to the plan"
    );
    Err(Refusal::new(Reason::ForbiddenImport, detail))
}

/// `namespace:package/interface` of a name with that version, stable releases only.
fn interface(name: &str, wasi: Wasi) -> Option<&str> {
    let (interface, version) = name.split_once('@')?;
    let patch = version.strip_prefix(wasi.name())?.strip_prefix('.')?;
    let is_number = !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(interface)
}

#[cfg(test)]
mod tests {
    use super::{admit, interface, interfaces};
    use crate::{ArtifactHash, control::Reason, settings::Wasi};
    use functions::{COUNTER, HELLO, SERVICE, hostile::TRESPASSER};

    fn reason(bytes: &[u8]) -> (Reason, String) {
        let refusal = interfaces(bytes, Wasi::V0_2).expect_err("a refusal");
        (refusal.reason, refusal.detail)
    }

    #[test]
    fn a_function_that_asks_for_little_is_admitted() {
        for wasi in Wasi::ALL {
            assert!(!interfaces(HELLO, wasi).expect("admitted").state);
            assert!(interfaces(COUNTER, wasi).expect("admitted").state);
        }
    }

    #[test]
    fn a_forbidden_import_is_named() {
        let (reason, detail) = reason(TRESPASSER);
        assert_eq!(reason, Reason::ForbiddenImport);
        assert!(
            detail.contains("marketplace:functions/unheard-of"),
            "{detail}"
        );
    }

    /// (W30)
    #[test]
    fn an_asynchronous_component_is_admitted_if_the_plan_asks_for_it() {
        assert!(interfaces(SERVICE, Wasi::V0_3).is_ok());
        let (reason, detail) = reason(SERVICE);
        assert_eq!(reason, Reason::ForbiddenImport);
        assert!(
            detail.contains("add `wasi = \"0.3\"` to the plan"),
            "{detail}"
        );
    }

    #[test]
    fn what_is_no_component_or_serves_nothing_is_refused() {
        let module = b"\0asm\x01\0\0\0";
        let nothing = b"\0asm\x0d\0\x01\0";
        for bytes in [
            &module[..],
            nothing,
            b"",
            b"#!/bin/sh",
            &HELLO[..HELLO.len() - 1],
        ] {
            assert_eq!(reason(bytes).0, Reason::BadComponent);
        }
    }

    #[test]
    fn only_stable_versions_of_the_interfaces_are_known() {
        let interface = |name| interface(name, Wasi::V0_2);
        assert_eq!(interface("wasi:io/poll@0.2.12"), Some("wasi:io/poll"));
        for name in [
            "wasi:io/poll",
            "wasi:io/poll@0.3.0",
            "wasi:io/poll@0.2.",
            "wasi:io/poll@0.2.0-rc",
        ] {
            assert_eq!(interface(name), None);
        }
    }

    #[test]
    fn an_artifact_is_read_up_to_its_limit_and_must_be_the_one_named() {
        let path = std::env::temp_dir().join(format!("admission-{}", std::process::id()));
        std::fs::write(&path, HELLO).expect("a file");
        let hash = ArtifactHash(*blake3::hash(HELLO).as_bytes());
        let size = HELLO.len() as u64;
        assert_eq!(admit(&path, hash, size).expect("admitted"), HELLO);
        let refused = |hash, size| admit(&path, hash, size).expect_err("a refusal").reason;
        assert_eq!(refused(hash, size - 1), Reason::ArtifactTooLarge);
        assert_eq!(
            refused(ArtifactHash([0; 32]), size),
            Reason::ArtifactMismatch
        );
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(refused(hash, size), Reason::ArtifactMissing);
    }
}
