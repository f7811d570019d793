//! A registry with users.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use infer_oci::{CredentialSource, Credentials, Options};

use crate::components::{anonymous, check_errors, message, pull, pull_fails, push, small};
use crate::registry::{Registry, Setup};

/// `alice` with the password `open sesame`, in bcrypt at its lowest cost.
const USERS: &str = "alice:$2b$05$4bGLYkzpcjJ39CU2QpNtqOFkudeIOx7ZWHS.IqqSpAvqc9qkMLsUy\n";

fn given(password: &str) -> Options {
    Options {
        credentials: CredentialSource::Given(Credentials::Password {
            user: "alice".to_owned(),
            password: password.to_owned(),
        }),
        ..Options::default()
    }
}

#[test]
fn credentials_decide() {
    let setup = Setup {
        users: Some(USERS),
        ..Setup::default()
    };
    let Some(registry) = Registry::start(&setup) else {
        return;
    };
    let address = &registry.address;
    let target = format!("{address}/digits:1");
    let component = small();
    let right = given("open sesame");
    push(&target, &component, &right).unwrap();
    assert!(pull(&target, &right).unwrap().1 == component);

    // The same from a file, as `docker login` writes it.
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, auth: &str| {
        let path = folder.path().join(name);
        let auth = STANDARD.encode(auth);
        let text = format!(r#"{{"auths":{{"{address}":{{"auth":"{auth}"}}}}}}"#);
        fs::write(&path, text).unwrap();
        Options {
            credentials: CredentialSource::File(path),
            ..Options::default()
        }
    };
    let from_file = file("right.json", "alice:open sesame");
    assert!(pull(&target, &from_file).unwrap().1 == component);
    let wrong_file = file("wrong.json", "alice:closed");
    let missing_file = Options {
        credentials: CredentialSource::File(folder.path().join("missing.json")),
        ..Options::default()
    };

    let wrong = given("closed sesame");
    let login = format!("log in with `docker login {address}`");
    let again = format!("log in again with `docker login {address}`");
    let none: &[&str] = &["requires credentials, and none were found", &login];
    let rejected: &[&str] = &["rejected the credentials of `alice`", &again];
    check_errors(vec![
        ("pull without", pull_fails(&target, &anonymous()), none),
        (
            "push without",
            message(push(&target, &component, &anonymous())),
            none,
        ),
        ("pull, no file", pull_fails(&target, &missing_file), none),
        ("pull, wrong", pull_fails(&target, &wrong), rejected),
        (
            "push, wrong",
            message(push(&target, &component, &wrong)),
            rejected,
        ),
        (
            "pull, wrong file",
            pull_fails(&target, &wrong_file),
            rejected,
        ),
    ]);
}

#[test]
fn a_secret_is_not_printed() {
    let options = format!("{:?}", given("open sesame"));
    assert!(
        options.contains("alice") && !options.contains("sesame"),
        "{options}"
    );
    let token = format!("{:?}", Credentials::IdentityToken("secret".to_owned()));
    assert!(!token.contains("secret"), "{token}");
}

/// The reference that a child process of [`helpers_and_variables_are_used`] pulls.
#[cfg(unix)]
const CHILD: &str = "INFER_OCI_TEST_TARGET";

/// Environment variables belong to a whole process, so this test runs itself with others.
#[cfg(unix)]
#[test]
fn helpers_and_variables_are_used() {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    if let Ok(target) = std::env::var(CHILD) {
        match pull(&target, &Options::default()) {
            Ok((pulled, _)) => println!("pulled {} bytes", pulled.size),
            Err(error) => println!("error: {error}"),
        }
        return;
    }
    let setup = Setup {
        users: Some(USERS),
        ..Setup::default()
    };
    let Some(registry) = Registry::start(&setup) else {
        return;
    };
    let address = &registry.address;
    let target = format!("{address}/digits:1");
    push(&target, &small(), &given("open sesame")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    write(
        "bin/docker-credential-right",
        &format!(
            "#!/bin/sh\n[ \"$(cat)\" = {address} ] && echo '{{\"Username\":\"alice\",\"Secret\":\"open sesame\"}}'\n"
        ),
    );
    write(
        "bin/docker-credential-none",
        "#!/bin/sh\ncat > /dev/null\necho 'credentials not found in native keychain'\nexit 1\n",
    );
    write(
        "bin/docker-credential-locked",
        "#!/bin/sh\ncat > /dev/null\necho 'locked' >&2\nexit 1\n",
    );
    write(
        "bin/docker-credential-text",
        "#!/bin/sh\ncat > /dev/null\necho alice\n",
    );
    let auth = STANDARD.encode("alice:open sesame");
    let auths = format!(r#"{{"auths":{{"{address}":{{"auth":"{auth}"}}}}}}"#);
    write("podman/containers/auth.json", &auths);
    write("home/.docker/config.json", &auths);
    write("empty/config.json", "{}");
    let pulled_by = |config: Option<&str>, variables: &[(&str, &str)]| {
        if let Some(config) = config {
            write("docker/config.json", config);
        }
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args([
                "login::helpers_and_variables_are_used",
                "--exact",
                "--nocapture",
            ])
            .env(CHILD, &target)
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", folder.path().join("bin").display()),
            );
        for name in [
            "REGISTRY_AUTH_FILE",
            "XDG_RUNTIME_DIR",
            "DOCKER_CONFIG",
            "HOME",
        ] {
            child.env_remove(name);
        }
        for (name, path) in variables {
            child.env(name, folder.path().join(path));
        }
        let output = child.output().unwrap();
        Ok(String::from_utf8(output.stdout).unwrap())
    };
    let helper = |name: &str| {
        let config = format!(r#"{{"credHelpers":{{"{address}":"{name}"}}}}"#);
        pulled_by(Some(&config), &[("DOCKER_CONFIG", "docker")])
    };
    let store = Some(r#"{"auths":{},"credsStore":"right"}"#);
    let both = &[("DOCKER_CONFIG", "empty"), ("XDG_RUNTIME_DIR", "podman")];
    let only = &[
        ("REGISTRY_AUTH_FILE", "empty/config.json"),
        ("HOME", "home"),
    ];
    let pulled: &[&str] = &["pulled 178 bytes"];
    check_errors(vec![
        ("helper", helper("right"), pulled),
        (
            "store",
            pulled_by(store, &[("DOCKER_CONFIG", "docker")]),
            pulled,
        ),
        ("home", pulled_by(None, &[("HOME", "home")]), pulled),
        ("podman", pulled_by(None, both), pulled),
        (
            "helper has none",
            helper("none"),
            &["requires credentials, and none were found"],
        ),
        (
            "helper fails",
            helper("locked"),
            &["`docker-credential-locked` printed `locked`"],
        ),
        (
            "helper prints text",
            helper("text"),
            &["its output is not the expected JSON"],
        ),
        (
            "no helper",
            helper("missing"),
            &["names failed: it cannot be run"],
        ),
        (
            "no variable",
            pulled_by(None, &[]),
            &["requires credentials"],
        ),
        (
            "one file only",
            pulled_by(None, only),
            &["requires credentials"],
        ),
    ]);
}
