//! What a registry wants to see before it gives something: a token, which anybody gets for what is public, or a name and a
//! password, as `docker login` keeps them.
//!
//! They go to the registry itself and to whom it names for its tokens, by TLS only, but on this machine.

use super::reference::Reference;
use crate::document::clip;
use crate::import::{
    Refused,
    web::{Answer, Web, may_lead, send},
};
use docker_credential::{
    CredentialRetrievalError as NoCredential, DockerCredential, get_credential,
};
use http_auth::{ChallengeRef, parse_challenges};
use reqwest::{
    RequestBuilder, StatusCode, Url,
    header::{HeaderValue, WWW_AUTHENTICATE},
};
use serde::Deserialize;

/// Bytes of an answer with a token at most.
const MAX_TOKEN: u64 = 64 << 10;
/// What `docker login` calls the registry of Docker.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// What goes along with each request.
#[derive(Debug)]
pub(super) enum Pass {
    Token(HeaderValue),
    Login(String, String),
}

impl Pass {
    pub(super) fn go_along(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Token(token) => request.header(reqwest::header::AUTHORIZATION, token),
            Self::Login(name, password) => request.basic_auth(name, Some(password)),
        }
    }
}

/// What a registry at `base` wants that has refused with this answer.
pub(super) async fn pass(
    web: &Web,
    base: &Url,
    reference: &Reference,
    refusal: &Answer,
) -> Result<Pass, Refused> {
    let wanted = refusal.headers.get_all(WWW_AUTHENTICATE).iter();
    let wanted: Vec<&str> = wanted.filter_map(|value| value.to_str().ok()).collect();
    let challenges = wanted.iter().filter_map(|text| parse_challenges(text).ok());
    let challenges: Vec<_> = challenges.flatten().collect();
    let of = |scheme: &str| {
        let is_it = |each: &&ChallengeRef<'_>| each.scheme.eq_ignore_ascii_case(scheme);
        challenges.iter().find(is_it)
    };
    let login = credentials(reference.host()).await?;
    match (of("Bearer"), of("Basic"), login) {
        (Some(bearer), _, login) => token(web, base, reference, bearer, login).await,
        (None, Some(_), Some(DockerCredential::UsernamePassword(name, password))) => {
            Ok(Pass::Login(name, password))
        }
        _ => Err(refused(reference.host(), "")),
    }
}

/// That the registry does not give it.
pub(super) fn refused(host: &str, why: &str) -> Refused {
    let colon = if why.is_empty() { "" } else { ": " };
    Refused {
        what: clip(&format!("{host} does not give it to you{colon}{why}")),
        hint: format!(
            "look at the name; if it is private, `docker login {host}` keeps what is asked for"
        ),
    }
}

/// Asks whom the registry names for a token to pull with.
async fn token(
    web: &Web,
    base: &Url,
    reference: &Reference,
    challenge: &ChallengeRef<'_>,
    login: Option<DockerCredential>,
) -> Result<Pass, Refused> {
    let parameter = |name: &str| {
        let mut all = challenge.params.iter();
        let found = all.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_unescaped())
    };
    let realm = parameter("realm").and_then(|realm| realm.parse::<Url>().ok());
    let realm = realm.filter(|realm| may_lead(base, realm));
    let mut realm = realm.ok_or_else(|| refused(reference.host(), "it names nobody to ask"))?;
    let scope = parameter("scope");
    let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", reference.name));
    let mut asked = vec![("scope", scope)];
    asked.extend(parameter("service").map(|service| ("service", service)));
    let request = match login {
        Some(DockerCredential::IdentityToken(identity)) => {
            asked.push(("grant_type", "refresh_token".into()));
            asked.push(("client_id", "mp".into()));
            asked.push(("refresh_token", identity));
            let form = "application/x-www-form-urlencoded";
            let request = web.post(realm.clone()).header("content-type", form);
            request.body(encoded(&asked))
        }
        login => {
            realm.query_pairs_mut().extend_pairs(&asked);
            match login {
                Some(DockerCredential::UsernamePassword(name, password)) => {
                    web.get(realm).basic_auth(name, Some(password))
                }
                _ => web.get(realm),
            }
        }
    };
    let answer = send(request, MAX_TOKEN).await?;
    read(&answer).ok_or_else(|| match answer.status {
        StatusCode::OK => refused(reference.host(), "the token cannot be read"),
        status => refused(
            reference.host(),
            &format!("no token is given (HTTP {status})"),
        ),
    })
}

/// Pairs as forms have them.
fn encoded(pairs: &[(&str, String)]) -> String {
    let url = Url::parse_with_params("http://form.invalid/", pairs);
    url.ok()
        .and_then(|url| url.query().map(str::to_owned))
        .unwrap_or_default()
}

/// An answer with a token.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

fn read(answer: &Answer) -> Option<Pass> {
    if !answer.status.is_success() {
        return None;
    }
    let given: Token = serde_json::from_slice(&answer.body).ok()?;
    let token = given.token.or(given.access_token)?;
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(Pass::Token(value))
}

/// What `docker login` has kept for a registry, itself or with a helper.
async fn credentials(host: &str) -> Result<Option<DockerCredential>, Refused> {
    let server = match host {
        "docker.io" => DOCKER_HUB.to_owned(),
        host => host.to_owned(),
    };
    // A helper is a program that may ask its user.
    let found = tokio::task::spawn_blocking(move || get_credential(&server)).await;
    match found {
        Ok(Ok(credential)) => Ok(Some(credential)),
        Ok(Err(
            NoCredential::NoCredentialConfigured
            | NoCredential::ConfigNotFound
            // Also where there is no such file.
            | NoCredential::ConfigReadError,
        )) => Ok(None),
        Ok(Err(error)) => Err(unknown(host, &error.to_string())),
        Err(error) => Err(unknown(host, &error.to_string())),
    }
}

fn unknown(host: &str, why: &str) -> Refused {
    Refused {
        what: clip(&format!(
            "what you log in to {host} with is not known: {why}"
        )),
        hint: format!("run `docker login {host}` again, or mend ~/.docker/config.json"),
    }
}
