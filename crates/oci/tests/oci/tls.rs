//! A registry with a certificate that an authority of its own signed.

use infer_oci::{Options, Scheme};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::components::{anonymous, check_errors, pull, pull_fails, push, small};
use crate::registry::{Registry, Setup};

/// An authority's certificate, and a certificate for `host` with its key, in PEM form.
fn certificates(host: &str) -> (String, String, String) {
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new([host.to_owned()]).unwrap();
    let server = server.signed_by(&key, &issuer).unwrap();
    (issuer.pem(), server.pem(), key.serialize_pem())
}

#[test]
fn certificates_are_checked() {
    let (authority, certificate, key) = certificates("127.0.0.1");
    let setup = Setup {
        certificate: Some((&certificate, &key)),
        ..Setup::default()
    };
    let Some(registry) = Registry::start(&setup) else {
        return;
    };
    let port = registry.address.rsplit(':').next().unwrap();
    let target = format!("127.0.0.1:{port}/digits:1");
    let trusting = |authority: &str| Options {
        scheme: Scheme::Https,
        authorities: Some(authority.as_bytes().to_vec()),
        ..anonymous()
    };
    let component = small();
    push(&target, &component, &trusting(&authority)).unwrap();
    assert!(pull(&target, &trusting(&authority)).unwrap().1 == component);

    let system = Options {
        scheme: Scheme::Https,
        ..anonymous()
    };
    let tls: &[&str] = &[
        "the TLS connection to `127.0.0.1:",
        "trusts its certificate",
    ];
    let other = certificates("127.0.0.1").0;
    let name = format!("localhost:{port}/digits:1");
    check_errors(vec![
        (
            "the system's authorities",
            pull_fails(&target, &system),
            tls,
        ),
        (
            "another authority",
            pull_fails(&target, &trusting(&other)),
            tls,
        ),
        (
            "another name",
            pull_fails(&name, &trusting(&authority)),
            &["the TLS connection to `localhost:"],
        ),
        (
            "no PEM",
            pull_fails(&target, &trusting("x")),
            &["there is no certificate", "expected PEM"],
        ),
        (
            "damaged PEM",
            pull_fails(
                &target,
                &trusting("-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n"),
            ),
            &["certificates of authorities are malformed"],
        ),
        (
            "HTTP",
            pull_fails(&target, &anonymous()),
            &["status 400", "HTTP request to an HTTPS server"],
        ),
    ]);
}

#[test]
fn https_to_a_plain_registry_is_a_tls_failure() {
    let Some(registry) = Registry::start(&Setup::default()) else {
        return;
    };
    let options = Options {
        scheme: Scheme::Https,
        ..anonymous()
    };
    let target = format!("{}/digits:1", registry.address);
    check_errors(vec![(
        "HTTPS",
        pull_fails(&target, &options),
        &[
            "the TLS connection to",
            "check that the registry serves HTTPS",
        ],
    )]);
}

/// The reference that a child process of [`the_systems_certificates_are_read`] pulls.
#[cfg(target_os = "linux")]
const CHILD: &str = "INFER_OCI_TEST_TLS_TARGET";

/// On Linux, `SSL_CERT_FILE` replaces the system's certificates. Environment variables belong to a whole process, so this
/// test runs itself with others.
#[cfg(target_os = "linux")]
#[test]
fn the_systems_certificates_are_read() {
    let options = Options {
        scheme: Scheme::Https,
        ..anonymous()
    };
    if let Ok(target) = std::env::var(CHILD) {
        match pull(&target, &options) {
            Ok((pulled, _)) => println!("pulled {} bytes", pulled.size),
            Err(error) => println!("error: {error}"),
        }
        return;
    }
    let (authority, certificate, key) = certificates("127.0.0.1");
    let setup = Setup {
        certificate: Some((&certificate, &key)),
        ..Setup::default()
    };
    let Some(registry) = Registry::start(&setup) else {
        return;
    };
    let target = format!("{}/digits:1", registry.address);
    let trusting = Options {
        authorities: Some(authority.clone().into_bytes()),
        ..options
    };
    push(&target, &small(), &trusting).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pulled_with = |certificates: &str| {
        let path = folder.path().join("certificates.pem");
        std::fs::write(&path, certificates).unwrap();
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "tls::the_systems_certificates_are_read",
                "--exact",
                "--nocapture",
            ])
            .env(CHILD, &target)
            .env("SSL_CERT_FILE", path)
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        Ok(String::from_utf8(output.stdout).unwrap())
    };
    let other = certificates("127.0.0.1").0;
    let tls: &[&str] = &["the TLS connection to", "trusts its certificate"];
    check_errors(vec![
        (
            "the authority",
            pulled_with(&authority),
            &["pulled 178 bytes"],
        ),
        (
            "both",
            pulled_with(&(other.clone() + &authority)),
            &["pulled 178 bytes"],
        ),
        ("another", pulled_with(&other), tls),
        ("none", pulled_with(""), tls),
    ]);
}
