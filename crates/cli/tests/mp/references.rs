//! Plans whose functions lie in a registry, or in IPFS.
//!
//! `cargo xtask test references` installs Docker's registry, skopeo and a gateway of IPFS, names them in `MP_REGISTRY`, `MP_SKOPEO` and
//! `MP_IPFS`, and runs the tests that need them as well.

mod gateway;
mod ipfs;
mod registry;
mod tokens;

use crate::support::{Market, free_ports, mp, text, through, until};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use registry::{Registry, WASM, sha256};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tokens::{IDENTITY, NAME, PASSWORD, Tokens};

const PEOPLE: [&str; 2] = ["provider1.json", "developer.json"];
const PARAMETERS: [&str; 2] = ["report_seconds=1", "start_timeout_seconds=60"];

/// `secret`, as the registry has passwords.
const HASHED: &str = "$2b$04$AAPmiSsjmTIlMURREMmP3OhdIVfKVyg23tw639hbypSxoPJcK.8D.";

fn plan(path: &str, functions: &str) -> String {
    format!(
        "name = \"hello\"\ncus_per_worker = 1\nmin_workers = 1\ntarget_workers = 1\nlimit_price = \"0.50\"\nfunds = \"50\"\n\
         [function]\npath = \"{path}\"\n{functions}"
    )
}

/// A developer without a chain.
struct Developer {
    folder: TempDir,
}

impl Developer {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What `mp deploy plan` says of a function; what is wrong, if it fails.
    fn plan(&self, path: &str, variables: &[(&str, &Path)]) -> Result<Value, String> {
        self.plan_of(&plan(path, ""), variables)
    }

    fn plan_of(&self, plan: &str, variables: &[(&str, &Path)]) -> Result<Value, String> {
        let file = self.path("plan.toml");
        fs::write(&file, plan).expect("writes");
        let mut command = mp();
        for variable in ["MP_KEY", "MP_RPC", "DOCKER_CONFIG", "SSL_CERT_FILE"] {
            command.env_remove(variable);
        }
        let output = command
            .env("HOME", self.folder.path())
            .env("MP_CACHE", self.path("cache"))
            .envs(variables.iter().copied())
            .args(["--output=json", "--rpc=http://127.0.0.1:1"])
            .args(["deploy", "plan", "--skip-compile", text(&file)])
            .output()
            .expect("mp runs");
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

/// (P22, P23)
#[test]
#[ignore = "it needs a registry: cargo xtask test references"]
fn a_function_of_a_registry_is_deployed_as_it_was_when_the_plan_was_looked_at() {
    let market = Market::open(1, &PEOPLE, &PARAMETERS);
    let _peer = market.provide(1, "CH", 0);
    let gateway = market.gateway(0);
    let http = through(&gateway);
    let mut registry = Registry::start(&market.path("."));
    let cache = format!("--cache={}", text(&market.path("cache")));
    let deploy =
        |arguments: &[&str]| market.run("developer.json", &[&["deploy"], arguments].concat());
    let tag = format!("oci://{}/me/hello:1", registry.host);
    let file = market.write("plan.toml", &plan(&tag, ""));
    let file = text(&file);
    let here = "--listen=127.0.0.1:0";
    let answer = || deploy(&["invoke", "1", "/", &http])["body"].clone();
    let first = format!("{tag}@{}", registry.push("me/hello:1", functions::HELLO));
    let planned = deploy(&["plan", file, &cache]);
    assert_eq!(
        planned["imports"]["main"],
        json!({ "reference": first, "movedFrom": null })
    );
    // The component itself is the artifact, as if it were a file.
    let artifact = blake3::hash(functions::HELLO).to_hex();
    assert_eq!(planned["terms"]["artifact"], format!("0x{artifact}"));

    let asked = || registry.log().matches("/blobs/").count();
    let once = asked();
    let applied = deploy(&["apply", file, here, &http, &cache]);
    assert_eq!(applied["posted"], true, "{applied}");
    assert_eq!(asked(), once, "it is not fetched again");
    let hello = answer();

    let second = format!(
        "{tag}@{}",
        registry.push("me/hello:1", functions::ENVIRONMENT)
    );
    let refused = market.refused(&["deploy", "apply", file, here, &http, &cache]);
    assert!(
        refused.contains("is another one than when this plan was looked at"),
        "{refused}"
    );
    assert!(
        refused.contains(&first) && refused.contains("hint:"),
        "{refused}"
    );
    let planned = deploy(&["plan", file, &cache]);
    assert_eq!(
        planned["imports"]["main"],
        json!({ "reference": second, "movedFrom": first })
    );
    let updated = deploy(&["update", "1", file, here, &cache]);
    assert_eq!(updated["rollout"]["state"], "done", "{updated}");
    until("the second function answers", || answer() != hello);
    deploy(&["rollback", "1"]);
    until("the first function answers again", || answer() == hello);

    registry.stop();
    let offline = market.refused(&["deploy", "plan", file, &cache]);
    assert!(
        offline.contains("cannot be reached") && offline.contains("hint:"),
        "{offline}"
    );
    let pinned = market.write("pinned.toml", &plan(&first, ""));
    let again = deploy(&["apply", text(&pinned), here, &http, &cache]);
    assert_eq!(
        again["posted"], false,
        "the same function is the same deal: {again}"
    );
}

impl Market {
    /// What a command says that must fail.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = mp()
            .args(["--key", text(&self.path("developer.json"))])
            .args(["--rpc", self.network.rpc(0)])
            .args(arguments)
            .output()
            .expect("mp runs");
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// (P25)
#[test]
#[ignore = "it needs a registry: cargo xtask test references"]
fn everything_wrong_with_references_is_found_at_once() {
    let developer = Developer::new();
    let registry = Registry::start(developer.folder.path());
    let host = &registry.host;
    let tar = "application/vnd.oci.image.layer.v1.tar";
    let hello = functions::HELLO;
    registry.push_layers("image:1", &[(tar, hello)], &[]);
    registry.push_layers(
        "two:1",
        &[(WASM, hello), (WASM, functions::ENVIRONMENT)],
        &[],
    );
    registry.push_list("list:1");
    let large = vec![0; (64 << 20) + 1];
    registry.push_layers("large:1", &[(WASM, &large[..])], &[]);
    registry.push("core:1", b"\0asm\x01\0\0\0");
    let changed = functions::SERVICE;
    registry.push("changed:1", changed);
    let blob = registry.blob(&sha256(changed));
    let mut bytes = fs::read(&blob).expect("it is there");
    bytes[100] ^= 1;
    fs::write(&blob, bytes).expect("writes");
    let nobody = free_ports(1);
    let digest = sha256(b"something else");
    let functions = format!(
        "[functions]\n\
         image = \"oci://{host}/image:1\"\n\
         two = \"oci://{host}/two:1\"\n\
         list = \"oci://{host}/list:1\"\n\
         large = \"oci://{host}/large:1\"\n\
         core = \"oci://{host}/core:1\"\n\
         changed = \"oci://{host}/changed:1\"\n\
         tag = \"oci://{host}/two:2\"\n\
         digest = \"oci://{host}/two@sha256:{digest}\"\n\
         offline = \"oci://127.0.0.1:{nobody}/hello:1\"\n"
    );
    let wrong = plan(&format!("oci://{host}/nothing:1"), &functions);
    let said = developer.plan_of(&wrong, &[]).expect_err("all is wrong");
    let expected = [
        "has 10 faults",
        "line 8: ",
        "has no such thing",
        "line 10: ",
        "it has no component, but application/vnd.oci.image.layer.v1.tar",
        "line 11: ",
        "it has 2 components",
        "line 12: ",
        "it is a list of images",
        "line 13: ",
        "its component has 67108865 bytes",
        "line 14: ",
        "a core module",
        "line 15: ",
        "the component that came is another one",
        "line 16: ",
        "manifest unknown",
        "line 17: ",
        "has no such thing",
        "line 18: ",
        "cannot be reached",
    ];
    let mut rest = said.as_str();
    for part in expected {
        let at = rest
            .find(part)
            .unwrap_or_else(|| panic!("no {part:?} in {said}"));
        rest = &rest[at..];
    }
    assert_eq!(said.matches("hint:").count(), 10, "{said}");
}

/// (P22)
#[test]
#[ignore = "it needs a registry: cargo xtask test references"]
fn components_are_found_as_other_tools_keep_them() {
    let developer = Developer::new();
    let registry = Registry::start(developer.folder.path());
    let kinds = [
        "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
        "application/vnd.module.wasm.content.layer.v1+wasm",
        "application/vnd.wasm.content.layer.v1+wasm",
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        let name = format!("tool-{number}:1");
        registry.push_layers(
            &name,
            &[(kind, functions::HELLO), ("text/plain", b"read me")],
            &[],
        );
        let planned = developer.plan(&format!("oci://{}/{name}", registry.host), &[]);
        planned.unwrap_or_else(|said| panic!("{kind}: {said}"));
    }
}

/// (P24)
#[test]
#[ignore = "it needs a registry: cargo xtask test references"]
fn a_token_is_asked_for_and_what_is_private_needs_a_login() {
    let developer = Developer::new();
    let tokens = Tokens::serve(developer.folder.path());
    let registry = Registry::start_with(developer.folder.path(), "", &tokens.config());
    let login = format!("--dest-creds={NAME}:{PASSWORD}");
    for name in ["public/hello:1", "private/hello:1"] {
        registry.push_layers(name, &[(WASM, functions::HELLO)], &[&login]);
    }
    let public = format!("oci://{}/public/hello:1", registry.host);
    developer.plan(&public, &[]).expect("it is everybody's");

    let private = format!("oci://{}/private/hello:1", registry.host);
    let said = developer.plan(&private, &[]).expect_err("a stranger");
    assert!(said.contains("does not give it to you"), "{said}");
    assert!(
        said.contains(&format!("docker login {}", registry.host)),
        "{said}"
    );
    let config = developer.path("docker");
    let plan_with = |auth: &Value| {
        fs::create_dir_all(&config).expect("a folder");
        fs::write(config.join("config.json"), auth.to_string()).expect("writes");
        developer.plan(&private, &[("DOCKER_CONFIG", &config)])
    };
    let host = registry.host.as_str();
    for known in [
        // As `docker login` writes it, with and without a password of its own.
        json!({ "auths": { host: { "auth": "ZGV2OnNlY3JldA==" } } }),
        json!({ "auths": { host: { "auth": "ZGV2Og==", "identitytoken": IDENTITY } } }),
    ] {
        plan_with(&known).unwrap_or_else(|said| panic!("{known}: {said}"));
        fs::remove_dir_all(developer.path("cache")).expect("it was kept");
    }
    let wrong = json!({ "auths": { host: { "auth": "ZGV2Ondyb25n" } } });
    let said = plan_with(&wrong).expect_err("a wrong password");
    assert!(said.contains("does not give it to you"), "{said}");
    assert!(!said.contains("wrong") && !said.contains("ZGV2"), "{said}");
}

/// (P24)
#[test]
#[ignore = "it needs a registry: cargo xtask test references"]
fn a_registry_is_believed_by_its_certificate_and_asks_for_a_password() {
    let developer = Developer::new();
    let folder = developer.folder.path();
    let made = generate_simple_self_signed(["127.0.0.1".to_owned()]);
    let CertifiedKey { cert, signing_key } = made.expect("a certificate");
    let (chain, key) = (folder.join("own.pem"), folder.join("own.key"));
    fs::write(&chain, cert.pem()).expect("writes");
    fs::write(&key, signing_key.serialize_pem()).expect("writes");
    let passwords = folder.join("passwords");
    fs::write(&passwords, format!("{NAME}:{HASHED}\n")).expect("writes");
    let http = format!(
        "  tls:\n    certificate: {}\n    key: {}\n",
        text(&chain),
        text(&key)
    );
    let auth = format!(
        "auth:\n  htpasswd:\n    realm: tests\n    path: {}\n",
        text(&passwords)
    );
    let registry = Registry::start_with(folder, &http, &auth);
    let login = format!("--dest-creds={NAME}:{PASSWORD}");
    registry.push_layers("hello:1", &[(WASM, functions::HELLO)], &[&login]);
    let reference = format!("oci://{}/hello:1", registry.host);

    let said = developer
        .plan(&reference, &[])
        .expect_err("nobody vouches for it");
    assert!(said.contains("HTTP 400"), "{said}");
    let said = developer.plan(&reference, &[("SSL_CERT_FILE", &chain)]);
    let said = said.expect_err("a stranger");
    assert!(said.contains("does not give it to you"), "{said}");

    // A helper keeps the password.
    let helper = folder.join("docker-credential-tests");
    let script = format!(
        "#!/bin/sh\nread -r server\n[ \"$server\" = {} ] || exit 1\n\
         echo '{{\"Username\":\"{NAME}\",\"Secret\":\"{PASSWORD}\"}}'\n",
        registry.host
    );
    fs::write(&helper, script).expect("writes");
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o700)).expect("it can run");
    let config = json!({ "credHelpers": { &registry.host: "tests" } });
    fs::write(folder.join("config.json"), config.to_string()).expect("writes");
    let path = std::env::var("PATH").expect("a path");
    let path = PathBuf::from(format!("{}:{path}", text(folder)));
    let planned = developer.plan(
        &reference,
        &[
            ("SSL_CERT_FILE", &chain),
            ("DOCKER_CONFIG", folder),
            ("PATH", &path),
        ],
    );
    planned.expect("it is the developer");
}
