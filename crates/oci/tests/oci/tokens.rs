//! Token services, and the hosts that see credentials and tokens.

use infer_oci::{CredentialSource, Credentials, Digest, Options};

use crate::components::{anonymous, check_errors, message, pull, pull_fails, push, small};
use crate::faulty::{Faulty, Reply, Seen, head, reply};

/// `alice:open sesame` in base64.
const BASIC: &str = "Basic YWxpY2U6b3BlbiBzZXNhbWU=";

fn alice() -> Options {
    Options {
        credentials: CredentialSource::Given(Credentials::Password {
            user: "alice".to_owned(),
            password: "open sesame".to_owned(),
        }),
        ..Options::default()
    }
}

fn robot() -> Options {
    Options {
        credentials: CredentialSource::Given(Credentials::IdentityToken(
            "a refresh&token".to_owned(),
        )),
        ..Options::default()
    }
}

/// A registry that wants a token of the service at `realm`, and otherwise does as `then` says.
fn registry(
    realm: String,
    then: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
) -> Faulty {
    let challenge = format!(r#"Bearer realm="{realm}",service="the registry",scope="x""#);
    Faulty::start(move |seen| match seen.authorization.as_deref() {
        Some("Bearer a.token") => then(seen),
        _ => Some(reply(401, &[("WWW-Authenticate", &challenge)], b"")),
    })
}

fn service(body: &'static str) -> Faulty {
    Faulty::start(move |_| Some(reply(200, &[], body.as_bytes())))
}

#[test]
fn tokens_are_fetched_and_used() {
    let rows = [
        (anonymous(), r#"{"token":"a.token"}"#),
        (alice(), r#"{"access_token":"a.token","expires_in":300}"#),
        (robot(), r#"{"access_token":"a.token","token":""}"#),
    ];
    for (options, body) in rows {
        let service = service(body);
        let registry = registry(format!("http://{}/token?a=b", service.address), |_| None);
        assert!(pull(&registry.target(), &options).unwrap().1 == small());
        push(&registry.target(), &small(), &options).unwrap();
        let seen = service.seen();
        // One token each.
        assert_eq!(seen.len(), 2);
        for (seen, actions) in seen.iter().zip(["pull", "pull%2Cpush"]) {
            let query = format!("service=the+registry&scope=repository%3Adigits%3A{actions}");
            let body = String::from_utf8_lossy(&seen.body);
            match &options.credentials {
                CredentialSource::Given(Credentials::IdentityToken(_)) => {
                    assert_eq!((&*seen.method, &seen.authorization), ("POST", &None));
                    assert!(
                        body.contains("grant_type=refresh_token&client_id=infer"),
                        "{body}"
                    );
                    assert!(body.contains("refresh_token=a+refresh%26token"), "{body}");
                    assert!(
                        body.contains(&format!("scope=repository%3Adigits%3A{actions}")),
                        "{body}"
                    );
                }
                CredentialSource::Given(_) => {
                    assert_eq!(seen.path, format!("/token?a=b&{query}"));
                    assert_eq!(seen.authorization.as_deref(), Some(BASIC));
                }
                _ => {
                    assert_eq!(seen.path, format!("/token?a=b&{query}"));
                    assert_eq!(seen.authorization, None);
                }
            }
        }
    }
}

#[test]
fn another_host_sees_no_authorization() {
    let digest = Digest::of(&small()).to_string();
    for scheme in ["Basic", "Bearer"] {
        let storage = Faulty::start(|_| None);
        let address = storage.address.clone();
        let digest = digest.clone();
        let then = move |seen: &Seen| {
            let location = format!("http://{address}{}", seen.path);
            match seen.method.as_str() {
                "GET" if seen.path.ends_with(&digest) => {
                    Some(reply(307, &[("Location", &location)], b""))
                }
                "POST" => Some(head(202, &[("Location", &location)])),
                _ => None,
            }
        };
        let service = service(r#"{"token":"a.token"}"#);
        let registry = if scheme == "Basic" {
            Faulty::start(move |seen| match seen.authorization.as_deref() {
                Some(BASIC) => then(seen),
                _ => Some(reply(
                    401,
                    &[("WWW-Authenticate", r#"Basic realm="x""#)],
                    b"",
                )),
            })
        } else {
            registry(format!("http://{}/", service.address), then)
        };
        assert!(pull(&registry.target(), &alice()).unwrap().1 == small());
        push(&registry.target(), &small(), &alice()).unwrap();
        let seen = storage.seen();
        // The pulled component, the pushed component and its config.
        assert_eq!(seen.len(), 3, "{scheme}");
        for seen in seen {
            assert!(
                !seen.head.contains("authorization"),
                "{scheme}: {}",
                seen.head
            );
        }
    }
}

#[test]
fn another_hosts_demand_is_not_met() {
    let storage =
        Faulty::start(|_| Some(reply(401, &[("WWW-Authenticate", "Basic realm=x")], b"")));
    let location = format!("http://{}/", storage.address);
    let registry = Faulty::start(move |seen| {
        seen.path
            .contains("blobs")
            .then(|| reply(302, &[("Location", &location)], b""))
    });
    let error = pull_fails(&registry.target(), &alice());
    check_errors(vec![("storage", error, &["responded with status 401"])]);
    assert_eq!(storage.seen().len(), 1);
    assert_eq!(storage.seen()[0].authorization, None);
}

#[test]
fn rejected_tokens_have_their_words() {
    // Each token is insufficient.
    let rejects = |options: Options| {
        let service = service(r#"{"token":"another.token"}"#);
        let registry = registry(format!("http://{}/", service.address), |_| None);
        pull_fails(&registry.target(), &options)
    };
    let denies = |status: u16, options: Options| {
        let service = Faulty::start(move |_| Some(head(status, &[])));
        let registry = registry(format!("http://{}/", service.address), |_| None);
        message(push(&registry.target(), &small(), &options))
    };
    check_errors(vec![
        (
            "anonymous",
            rejects(anonymous()),
            &["requires credentials, and none were found"],
        ),
        (
            "alice",
            rejects(alice()),
            &["denied access to `digits`", "who may pull it"],
        ),
        (
            "401, anonymous",
            denies(401, anonymous()),
            &["requires credentials, and none were found"],
        ),
        (
            "401, alice",
            denies(401, alice()),
            &["rejected the credentials of `alice`"],
        ),
        (
            "403, robot",
            denies(403, robot()),
            &["rejected the credentials; log in again"],
        ),
        ("429", denies(429, alice()), &["limits the rate"]),
        (
            "500",
            denies(500, alice()),
            &["failed with status 500 for a token"],
        ),
        ("302", denies(302, alice()), &["status 302"]),
    ]);
}

#[test]
fn malformed_demands_have_their_words() {
    let realm = |realm: &str| {
        let registry = registry(realm.to_owned(), |_| None);
        pull_fails(&registry.target(), &alice())
    };
    let challenge = |text: &'static str, options: Options| {
        let registry = Faulty::start(move |_| Some(reply(401, &[("WWW-Authenticate", text)], b"")));
        pull_fails(&registry.target(), &options)
    };
    let token = |body: &'static str| {
        let service = service(body);
        realm(&format!("http://{}/", service.address))
    };
    let bare = Faulty::start(|_| Some(head(401, &[])));
    let unsupported = "demands credentials in an unsupported way";
    check_errors(vec![
        (
            "none",
            pull_fails(&bare.target(), &alice()),
            &["has no `WWW-Authenticate`"],
        ),
        (
            "plain realm",
            realm("http://other.example/"),
            &["token service is insecure", "`other.example` is not HTTPS"],
        ),
        (
            "no URL",
            realm("token"),
            &["the address of its token service is no URL"],
        ),
        ("ftp", realm("ftp://127.0.0.1/"), &["`ftp` is not HTTPS"]),
        (
            "no realm",
            challenge("Bearer service=x", alice()),
            &["has no `realm`"],
        ),
        (
            "negotiate",
            challenge("Negotiate, NTLM", alice()),
            &["it wants `Negotiate`, `NTLM`, expected `Bearer` or `Basic`"],
        ),
        (
            "malformed",
            challenge("Bearer realm=\"", alice()),
            &[unsupported],
        ),
        (
            "identity token",
            challenge("Basic realm=x", robot()),
            &["it wants a password"],
        ),
        ("no JSON", token("token"), &["not the expected JSON"]),
        ("array", token("[1]"), &["not the expected JSON"]),
        ("empty", token("{}"), &["has no token"]),
        (
            "line break",
            token(r#"{"token":"a\nb"}"#),
            &["characters that no header may have"],
        ),
    ]);
}
