//! Registries that lie. Real ones: `tests/mp/references.rs`.

use super::{Reference, fetch};
use crate::import::{
    cache::Cache,
    digest::{Algorithm, Digest},
    server::{Lie, answer_with, ok, serve},
    web::Web,
};
use serde_json::json;

const COMPONENT: &str = "a component";

fn digest(text: &str) -> Digest {
    Digest::of(Algorithm::Sha256, text.as_bytes())
}

fn manifest(component: &str) -> String {
    let layer = json!({
        "mediaType": "application/wasm",
        "digest": digest(component).to_string(),
        "size": component.len(),
    });
    json!({ "schemaVersion": 2, "layers": [layer] }).to_string()
}

/// What comes of fetching `version` of `a` from a registry that answers so.
async fn fetched(
    version: &str,
    lie: impl Fn(&str) -> Lie + Send + 'static,
) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    let reference: Reference = format!("{}/a{version}", serve(lie)).parse().unwrap();
    let found = fetch(&Web::new().unwrap(), &cache, &reference).await;
    found
        .map(|found| found.bytes)
        .map_err(|refused| format!("{} {}", refused.what, refused.hint))
}

/// (P22)
#[tokio::test]
async fn what_is_not_of_its_digest_is_not_taken() {
    let honest = |path: &str| match path.contains("/blobs/") {
        true => ok(COMPONENT),
        false => ok(&manifest(COMPONENT)),
    };
    assert_eq!(fetched(":1", honest).await.unwrap(), COMPONENT.as_bytes());
    let pinned = format!("@{}", digest(&manifest(COMPONENT)));
    assert_eq!(
        fetched(&pinned, honest).await.unwrap(),
        COMPONENT.as_bytes()
    );

    let other = format!("@{}", digest("another manifest"));
    let refused = fetched(&other, honest).await.unwrap_err();
    assert!(
        refused.contains("the manifest that came is another one"),
        "{refused}"
    );
    let said = format!("docker-content-digest: {}\r\n", digest("another manifest"));
    let lying = move |_: &str| answer_with("200 OK", &said, &manifest(COMPONENT));
    let refused = fetched(":1", lying).await.unwrap_err();
    assert!(
        refused.contains("the manifest that came is another one"),
        "{refused}"
    );
    for lie in ["b component", "a componen", ""] {
        let lying = move |path: &str| match path.contains("/blobs/") {
            true => ok(lie),
            false => ok(&manifest(COMPONENT)),
        };
        let refused = fetched(":1", lying).await.unwrap_err();
        assert!(
            refused.contains("the component that came is another one"),
            "{refused}"
        );
    }
    let longer = |path: &str| match path.contains("/blobs/") {
        true => ok("a component, and more"),
        false => ok(&manifest(COMPONENT)),
    };
    let refused = fetched(":1", longer).await.unwrap_err();
    assert!(refused.contains("larger than 11 bytes"), "{refused}");
}

/// (P24)
#[tokio::test]
async fn nobody_is_asked_for_a_token_where_credentials_must_not_go() {
    for realm in ["http://192.0.2.1/token", "file:///etc/passwd", "nonsense"] {
        let wants = format!("www-authenticate: Bearer realm=\"{realm}\"\r\n");
        let lying = move |_: &str| answer_with("401 Who", &wants, "");
        let refused = fetched(":1", lying).await.unwrap_err();
        assert!(
            refused.contains("it names nobody to ask"),
            "{realm}: {refused}"
        );
    }
}

/// (P24)
#[tokio::test]
async fn a_registry_that_never_has_enough_is_asked_twice() {
    let wants = |_: &str| answer_with("401 Who", "www-authenticate: Basic realm=\"a\"\r\n", "");
    let refused = fetched(":1", wants).await.unwrap_err();
    assert!(refused.contains("docker login 127.0.0.1:"), "{refused}");
    let address = serve(|_| ok("{\"token\": \"t\"}"));
    let wants = format!("www-authenticate: Bearer realm=\"http://{address}/\"\r\n");
    let insatiable = move |_: &str| {
        let why = "{\"errors\": [{\"code\": \"DENIED\", \"message\": \"no \\u001b[2J\"}]}";
        answer_with("401 Who", &wants, why)
    };
    let refused = fetched(":1", insatiable).await.unwrap_err();
    assert!(refused.contains("(DENIED)"), "{refused}");
    assert!(!refused.contains('\u{1b}'), "{refused}");
}

/// (P24)
#[tokio::test]
async fn what_cannot_be_read_of_a_registry_is_no_panic() {
    for body in [
        "",
        "{",
        "null",
        "{\"layers\": null}",
        "{\"layers\": [{}]}",
        "\u{0}",
    ] {
        assert!(fetched(":1", move |_| ok(body)).await.is_err(), "{body:?}");
    }
    let no_token = serve(|_| ok("{}"));
    let wants = format!("www-authenticate: Bearer realm=\"http://{no_token}/\"\r\n");
    let lying = move |_: &str| answer_with("401 Who", &wants, "");
    let refused = fetched(":1", lying).await.unwrap_err();
    assert!(refused.contains("the token cannot be read"), "{refused}");
}
