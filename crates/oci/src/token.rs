//! Authorization: HTTP's basic scheme, and tokens from the service that the registry names.
//!
//! The token protocol is the one of the Docker registry's documentation, "Token Authentication Specification" and
//! "OAuth2 Token Authentication", which all registries implement.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_auth::parse_challenges;
use serde::Deserialize;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use ureq::http::{HeaderMap, HeaderValue, Method, Request as HttpRequest, StatusCode};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::client::{Answer, Client, host};
use crate::credentials::{self, Credentials};
use crate::error::RegistryError;
use crate::response;

/// The size limit of a token service's response, in bytes.
const MAX_TOKEN: u64 = 1 << 20;

/// The name of this program in requests for tokens.
const CLIENT_ID: &str = "infer";

/// The value of a request's `Authorization`.
pub(crate) struct Authorization {
    pub(crate) header: HeaderValue,
    /// Whether it is a token, which the service may grant with fewer rights than requested.
    pub(crate) is_token: bool,
    pub(crate) has_credentials: bool,
    pub(crate) user: Option<String>,
}

/// A token service's response.
#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// What a registry demands.
enum Demand {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

/// The authorization that a registry demands with the headers of its response with status 401.
pub(crate) fn authorize(
    client: &Client<'_>,
    headers: &HeaderMap,
) -> Result<Authorization, RegistryError> {
    let demand = demand(headers).map_err(|problem| unsupported(client, problem))?;
    let credentials = credentials::find(&client.options.credentials, &client.registry)?;
    let user = match &credentials {
        Some(Credentials::Password { user, .. }) => Some(user.clone()),
        _ => None,
    };
    let has_credentials = credentials.is_some();
    let (header, is_token) = match (demand, credentials) {
        (Demand::Basic, None) => {
            return Err(RegistryError::LoginRequired {
                registry: client.registry.clone(),
            });
        }
        (Demand::Basic, Some(Credentials::IdentityToken(_))) => {
            let problem = "it wants a password, and the credentials are an identity token";
            return Err(unsupported(client, problem.to_owned()));
        }
        (Demand::Basic, Some(Credentials::Password { user, password })) => {
            (basic(client, &user, &password)?, false)
        }
        (Demand::Bearer { realm, service }, credentials) => {
            (token(client, &realm, service, credentials)?, true)
        }
    };
    Ok(Authorization {
        header,
        is_token,
        has_credentials,
        user,
    })
}

/// The first supported demand of a response, tokens first.
fn demand(headers: &HeaderMap) -> Result<Demand, String> {
    let mut basic = false;
    let mut other = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(text) = value.to_str() else { continue };
        let challenges =
            parse_challenges(text).map_err(|_| "`WWW-Authenticate` is malformed".to_owned())?;
        for challenge in challenges {
            let parameter = |wanted: &str| {
                let mut parameters = challenge.params.iter();
                let found = parameters.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                found.map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let realm = parameter("realm").ok_or("`WWW-Authenticate` has no `realm`")?;
                return Ok(Demand::Bearer {
                    realm,
                    service: parameter("service"),
                });
            }
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                basic = true;
            } else {
                other.push(crate::digest::printable(challenge.scheme));
            }
        }
    }
    match (basic, &*other) {
        (true, _) => Ok(Demand::Basic),
        (false, []) => Err("its response with status 401 has no `WWW-Authenticate`".to_owned()),
        (false, other) => Err(format!(
            "it wants `{}`, expected `Bearer` or `Basic`",
            other.join("`, `")
        )),
    }
}

fn unsupported(client: &Client<'_>, problem: String) -> RegistryError {
    RegistryError::Challenge {
        registry: client.registry.clone(),
        problem,
    }
}

fn basic(client: &Client<'_>, user: &str, password: &str) -> Result<HeaderValue, RegistryError> {
    sensitive(
        client,
        &format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
    )
}

/// A header value that is left out of logs.
fn sensitive(client: &Client<'_>, text: &str) -> Result<HeaderValue, RegistryError> {
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        unsupported(
            client,
            "the token has characters that no header may have".to_owned(),
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Request a token.
fn token(
    client: &Client<'_>,
    realm: &str,
    service: Option<String>,
    credentials: Option<Credentials>,
) -> Result<HeaderValue, RegistryError> {
    let registry_scheme = client.url("")?.scheme().to_owned();
    let mut url = Url::parse(realm).map_err(|error| {
        unsupported(
            client,
            format!("the address of its token service is no URL ({error})"),
        )
    })?;
    if let Some(problem) = client.insecure(&url, &registry_scheme) {
        return Err(unsupported(
            client,
            format!("its token service is insecure: {problem}"),
        ));
    }
    let scope = format!("repository:{}:{}", client.name, client.action.scope());
    let user = match &credentials {
        Some(Credentials::Password { user, .. }) => Some(user.clone()),
        _ => None,
    };
    let has_credentials = credentials.is_some();
    let (request, body) = if let Some(Credentials::IdentityToken(refresh)) = credentials {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token")
            .append_pair("client_id", CLIENT_ID)
            .append_pair("scope", &scope)
            .append_pair("service", service.as_deref().unwrap_or_default())
            .append_pair("refresh_token", &refresh);
        let request = HttpRequest::builder()
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        (request, form.finish())
    } else {
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = &service {
                query.append_pair("service", service);
            }
            query.append_pair("scope", &scope);
        }
        let mut request = HttpRequest::builder().method(Method::GET);
        if let Some(Credentials::Password { user, password }) = credentials {
            request = request.header(AUTHORIZATION, basic(client, &user, &password)?);
        }
        (request, String::new())
    };
    let is_post = !body.is_empty();
    let request = request.uri(url.as_str());
    let response = if is_post {
        client.run(request.body(body), &url)?
    } else {
        client.run(request.body(()), &url)?
    };
    let answer = Answer { response, url };
    match answer.response.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if has_credentials => {
            return Err(RegistryError::WrongCredentials {
                registry: client.registry.clone(),
                user,
            });
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(RegistryError::LoginRequired {
                registry: client.registry.clone(),
            });
        }
        _ => return Err(response::unexpected(client, answer, "a token")),
    }
    let service_host = host(&answer.url);
    let body = response::read(answer, MAX_TOKEN, "the token")?;
    let malformed = |problem: &str| RegistryError::NotARegistry {
        host: service_host.clone(),
        problem: problem.to_owned(),
    };
    let Token {
        token,
        access_token,
    } = serde_json::from_slice(&body)
        .map_err(|_| malformed("its token service's response is not the expected JSON"))?;
    match [token, access_token]
        .into_iter()
        .find(|token| !token.is_empty())
    {
        Some(token) => sensitive(client, &format!("Bearer {token}")),
        None => Err(malformed("its token service's response has no token")),
    }
}
