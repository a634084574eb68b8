//! Says to a registry who asks: by name and password, or by a token that another server gives for them.
//!
//! <https://distribution.github.io/distribution/spec/auth/token/> describes the tokens, which Docker Hub began with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docker_credential::DockerCredential;
use http_auth::ChallengeRef;
use serde::Deserialize;
use ureq::Body;
use ureq::http::Response;
use ureq::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};

use crate::error::{Error, Result};
use crate::show;

use super::client::Client;
use super::credentials::{self, Found};

/// The name that registries show for a token's owner.
const CLIENT_ID: &str = "packer";

/// What a request says of who makes it.
pub(super) struct Authorization {
    /// The header `Authorization`.
    pub(super) header: String,
    /// Where the credentials are from; `None` without any.
    pub(super) file: Option<String>,
}

/// Answers a registry that asks who makes a request; `known` is what the request said.
///
/// # Errors
///
/// If there are no credentials, or they are not accepted.
pub(super) fn answer(
    client: &Client<'_>,
    response: &Response<Body>,
    known: Option<&Authorization>,
) -> Result<Authorization> {
    let registry = || client.reference.registry.clone();
    let values = response.headers().get_all(WWW_AUTHENTICATE);
    let values: Vec<&str> = values.iter().filter_map(|value| value.to_str().ok()).collect();
    let challenges: Vec<ChallengeRef<'_>> = values
        .iter()
        .filter_map(|value| http_auth::parse_challenges(value).ok())
        .flatten()
        .collect();
    let scheme = |name: &str| challenges.iter().find(|it| it.scheme.eq_ignore_ascii_case(name));
    let found = credentials::find(client.reference)?;
    let file = found.as_ref().map(|found| found.file.clone());
    let unauthorized =
        |file| Error::Unauthorized { registry: registry(), message: String::new(), file };
    if let Some(challenge) = scheme("Bearer") {
        let token = token(client, challenge, found).map_err(|error| match error {
            Error::Unauthorized { registry, message, .. } => {
                Error::Unauthorized { registry, message, file: file.clone() }
            }
            error => error,
        })?;
        return Ok(Authorization { header: format!("Bearer {token}"), file });
    }
    // A password that was refused is not sent again: some registries lock the account.
    if known.is_some() {
        return Err(unauthorized(file));
    }
    match (scheme("Basic"), found.map(|found| found.credential)) {
        (Some(_), Some(DockerCredential::UsernamePassword(name, password))) => {
            Ok(Authorization { header: basic(&name, &password), file })
        }
        _ => Err(unauthorized(None)),
    }
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// Gets a token for the client's scopes.
fn token(
    client: &Client<'_>,
    challenge: &ChallengeRef<'_>,
    found: Option<Found>,
) -> Result<String> {
    let parameter = |name: &str| {
        let value = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        value.map(|(_, value)| value.to_unescaped())
    };
    let realm = parameter("realm").unwrap_or_default();
    // The password would be sent to everybody in between.
    if !realm.starts_with("https://") && !client.base.starts_with("http://") {
        return Err(client.lie(format!("{} as the server for tokens", show::text(&realm))));
    }
    let service = parameter("service");
    let bytes = match found.map(|found| found.credential) {
        Some(DockerCredential::IdentityToken(secret)) => client.token(&realm, |agent| {
            let scope = client.scopes().join(" ");
            let form = [
                ("grant_type", "refresh_token"),
                ("client_id", CLIENT_ID),
                ("refresh_token", &secret),
                ("service", service.as_deref().unwrap_or_default()),
                ("scope", &scope),
            ];
            agent.post(&realm).send_form(form)
        })?,
        credential => client.token(&realm, |agent| {
            let mut request = agent.get(&realm);
            if let Some(service) = &service {
                request = request.query("service", service);
            }
            for scope in client.scopes() {
                request = request.query("scope", scope);
            }
            if let Some(DockerCredential::UsernamePassword(name, password)) = &credential {
                request = request.header(AUTHORIZATION, basic(name, password));
            }
            request.call()
        })?,
    };
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Option<Answer> = serde_json::from_slice(&bytes).ok();
    let token = answer.and_then(|answer| answer.token.or(answer.access_token));
    token.ok_or_else(|| client.lie("an answer without a token".to_owned()))
}
