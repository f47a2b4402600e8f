//! Manifests: which of the parts that a registry has under one name is the component.
//!
//! Components are kept as the CNCF's guidance says: one layer of `application/wasm`. Older tools used other names for it.

use crate::document::clip;
use crate::import::{Refused, digest::Digest, max_component};
use serde::{Deserialize, de::IgnoredAny};

/// What a registry is asked for. Lists of manifests, to be told that there is one and not that there is nothing.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// Types of layers that are components: that of the guidance, of `cargo component` and `wash`, and of `wasm-to-oci` and `spin`.
const COMPONENTS: [&str; 4] = [
    "application/wasm",
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
];

#[derive(Deserialize)]
struct Manifest {
    layers: Option<Vec<Layer>>,
    manifests: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
    size: u64,
}

/// A component as its manifest describes it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::import) struct Component {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// Finds the component of a manifest.
pub(in crate::import) fn component(manifest: &[u8]) -> Result<Component, Refused> {
    let manifest: Manifest = serde_json::from_slice(manifest)
        .map_err(|error| no_component(&format!("its manifest cannot be read: {error}")))?;
    if manifest.manifests.is_some() {
        return Err(no_component("it is a list of images"));
    }
    let layers = manifest.layers.unwrap_or_default();
    let is_component = |layer: &&Layer| COMPONENTS.contains(&layer.media_type.as_str());
    let found: Vec<_> = layers.iter().filter(is_component).collect();
    let [layer] = found[..] else {
        return Err(no_component(&match (found.len(), layers.first()) {
            (0, Some(other)) => format!("it has no component, but {}", other.media_type),
            (0, None) => "it is empty".into(),
            (several, _) => format!("it has {several} components"),
        }));
    };
    if !(1..=max_component()).contains(&layer.size) {
        let (what, hint) = (
            format!("its component has {} bytes", layer.size),
            format!("1 to {} are possible", max_component()),
        );
        return Err(Refused { what, hint });
    }
    let digest = layer.digest.parse();
    let digest = digest.map_err(|why| no_component(&format!("{}: {why}", layer.digest)))?;
    let size = layer.size;
    Ok(Component { digest, size })
}

fn no_component(what: &str) -> Refused {
    Refused {
        what: clip(what),
        hint: "push one component, as `wkg oci push` does".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{COMPONENTS, component, max_component};
    use serde_json::{Value, json};

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn layer(kind: &str) -> Value {
        json!({ "mediaType": kind, "digest": DIGEST, "size": 7 })
    }

    fn refusal(manifest: &Value) -> String {
        component(manifest.to_string().as_bytes()).unwrap_err().what
    }

    /// (P22)
    #[test]
    fn the_component_is_found_among_the_layers() {
        let readme = layer("text/markdown");
        for kind in COMPONENTS {
            let manifest = json!({ "schemaVersion": 2, "layers": [readme, layer(kind)] });
            let found = component(manifest.to_string().as_bytes()).unwrap();
            assert_eq!((found.digest.to_string().as_str(), found.size), (DIGEST, 7));
        }
    }

    /// (P25)
    #[test]
    fn a_manifest_without_one_component_is_refused_for_its_reason() {
        let wasm = || layer("application/wasm");
        let tar = "application/vnd.oci.image.layer.v1.tar+gzip";
        assert!(refusal(&json!({ "layers": [layer(tar)] })).contains(tar));
        assert!(refusal(&json!({ "layers": [] })).contains("empty"));
        assert!(refusal(&json!({})).contains("empty"));
        assert!(refusal(&json!({ "layers": [wasm(), wasm()] })).contains("2 components"));
        assert!(refusal(&json!({ "manifests": [{}] })).contains("list of images"));
        assert!(refusal(&json!([1])).contains("cannot be read"));
        let with = |key: &str, value: Value| {
            let mut layer = wasm();
            layer[key] = value;
            refusal(&json!({ "layers": [layer] }))
        };
        assert!(with("size", json!(max_component() + 1)).contains("bytes"));
        assert!(with("size", json!(0)).contains("0 bytes"));
        assert!(with("size", json!(-1)).contains("cannot be read"));
        assert!(with("digest", json!("sha512:00\u{1b}[2J")).contains("a digest is"));
        assert!(!with("digest", json!("\u{1b}[2J")).contains('\u{1b}'));
        let deep = "[".repeat(100_000);
        assert!(component(deep.as_bytes()).is_err());
    }
}
