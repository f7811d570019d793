//! `spin.toml`: the parts of Spin's manifest, version 2, that this host serves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

/// The manifest of the one component that the host serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The component's id.
    pub component: String,
    /// The component's file.
    pub source: PathBuf,
    /// HTTP routes, at least one.
    pub routes: Vec<Route>,
    /// Environment variables for the guest.
    pub environment: BTreeMap<String, String>,
    /// Read-only folders for the guest.
    pub mounts: Vec<Mount>,
    /// Keys that Spin knows and this host ignores, for a warning.
    pub ignored: Vec<String>,
}

/// A host folder, mounted at a path of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Folder on the host.
    pub source: PathBuf,
    /// Path in the guest.
    pub destination: String,
}

/// A route as Spin matches it: `/a/b` is that path, `/a/...` is `/a` and everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    prefix: String,
    is_wildcard: bool,
}

/// Why the host cannot serve a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Not TOML, or not a manifest.
    #[error("`{}`: {}", path.display(), reason.trim_end())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The parser's message, with the line.
        reason: String,
    },
    /// A manifest with something that this host does not support.
    #[error("`{}`: {problem}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What the manifest has, and what the host expected.
        problem: String,
    },
}

#[derive(Deserialize)]
struct File {
    spin_manifest_version: u32,
    trigger: BTreeMap<String, Vec<Trigger>>,
    component: BTreeMap<String, Component>,
    #[serde(flatten)]
    rest: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
struct Trigger {
    route: toml::Value,
    component: toml::Value,
}

#[derive(Deserialize)]
struct Component {
    source: toml::Value,
    #[serde(default)]
    files: Vec<toml::Value>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(flatten)]
    rest: BTreeMap<String, toml::Value>,
}

/// Keys that do not concern serving.
const NOT_SERVED: [&str; 3] = ["application", "build", "description"];

impl Manifest {
    /// Every route to a component whose file is not known yet, with a model repository mounted as `/models`.
    #[must_use]
    pub fn of_models(models: PathBuf, environment: BTreeMap<String, String>) -> Self {
        Self {
            component: "infer".to_owned(),
            source: PathBuf::new(),
            routes: vec![Route {
                prefix: String::new(),
                is_wildcard: true,
            }],
            environment,
            mounts: vec![Mount {
                source: models,
                destination: "/models".to_owned(),
            }],
            ignored: Vec::new(),
        }
    }

    /// Read the manifest at `path`. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// When the file cannot be read or parsed, or has something that this host does not support.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = fs::read_to_string(path).map_err(|source| ManifestError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ManifestError> {
        let file: File = toml::from_str(text).map_err(|error| ManifestError::Parse {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let unsupported = |problem: String| ManifestError::Unsupported {
            path: path.to_owned(),
            problem,
        };
        if file.spin_manifest_version != 2 {
            return Err(unsupported(format!(
                "expected `spin_manifest_version = 2`, got {}",
                file.spin_manifest_version
            )));
        }
        let mut components = file.component.into_iter();
        let (Some((id, component)), None) = (components.next(), components.next()) else {
            return Err(unsupported(
                "expected one component; this host serves one".to_owned(),
            ));
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut routes = Vec::new();
        let mut ignored = Vec::new();
        for (kind, triggers) in file.trigger {
            if kind != "http" {
                ignored.push(format!("trigger.{kind}"));
                continue;
            }
            for trigger in triggers {
                if trigger.component.as_str() != Some(id.as_str()) {
                    return Err(unsupported(format!(
                        "a route names {}, expected \"{id}\"",
                        trigger.component
                    )));
                }
                let route = trigger
                    .route
                    .as_str()
                    .and_then(Route::parse)
                    .ok_or_else(|| {
                        unsupported(format!(
                            "expected a route such as \"/...\" or \"/infer\", got {}",
                            trigger.route
                        ))
                    })?;
                routes.push(route);
            }
        }
        if routes.is_empty() {
            return Err(unsupported(format!("component `{id}` has no HTTP route")));
        }
        let source = component.source.as_str().ok_or_else(|| {
            unsupported(format!(
                "expected the component's source as a path, got {}",
                component.source
            ))
        })?;
        let mounts = component
            .files
            .iter()
            .map(|entry| {
                let key = |key| entry.get(key).and_then(toml::Value::as_str);
                match (key("source"), key("destination")) {
                    (Some(source), Some(destination)) => Ok(Mount {
                        source: folder.join(source),
                        destination: destination.to_owned(),
                    }),
                    _ => Err(unsupported(format!(
                        "expected files as {{ source = \"…\", destination = \"…\" }}, got {entry}"
                    ))),
                }
            })
            .collect::<Result<_, _>>()?;
        let not_served = |key: &String| NOT_SERVED.contains(&key.as_str());
        ignored.extend(file.rest.into_keys().filter(|key| !not_served(key)));
        ignored.extend(
            component
                .rest
                .into_keys()
                .filter(|key| !not_served(key))
                .map(|key| format!("component.{id}.{key}")),
        );
        Ok(Self {
            source: folder.join(source),
            component: id,
            routes,
            environment: component.environment,
            mounts,
            ignored,
        })
    }

    /// Whether a route matches this path.
    #[must_use]
    pub fn has_route(&self, path: &str) -> bool {
        self.routes.iter().any(|route| route.matches(path))
    }
}

impl Route {
    fn parse(text: &str) -> Option<Self> {
        let (prefix, is_wildcard) = match text.strip_suffix("/...") {
            Some(prefix) => (prefix, true),
            None => (text.strip_suffix('/').unwrap_or(text), false),
        };
        let is_path = prefix.is_empty() || prefix.starts_with('/');
        (text.starts_with('/') && is_path && !prefix.contains("...") && !prefix.contains(':')).then(
            || Self {
                prefix: prefix.to_owned(),
                is_wildcard,
            },
        )
    }

    /// Whether this route matches the path (without its query).
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match path.strip_prefix(self.prefix.as_str()) {
            Some("" | "/") => true,
            Some(below) => self.is_wildcard && below.starts_with('/'),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "spin_manifest_version = 2\n[application]\nname = \"a\"\n";

    #[test]
    fn the_projects_own_manifest_is_supported() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spin.toml");
        let manifest = Manifest::read(&path).unwrap();
        assert_eq!(manifest.component, "infer");
        assert!(manifest.ignored.is_empty(), "{:?}", manifest.ignored);
        assert!(manifest.has_route("/") && manifest.has_route("/v2/models/x"));
        assert_eq!(manifest.mounts[0].destination, "/models");
        assert!(
            manifest
                .environment
                .keys()
                .all(|key| key.starts_with("INFER_"))
        );
    }

    #[test]
    fn routes_match_as_spins_do() {
        let cases = [
            ("/...", "/", true),
            ("/...", "/a/b", true),
            ("/a/...", "/a", true),
            ("/a/...", "/a/", true),
            ("/a/...", "/a/b/c", true),
            ("/a/...", "/ab", false),
            ("/a/...", "/", false),
            ("/a", "/a", true),
            ("/a", "/a/", true),
            ("/a", "/a/b", false),
            ("/a", "/A", false),
            ("/", "/", true),
            ("/", "/a", false),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .filter(|(route, path, expected)| {
                Route::parse(route).is_none_or(|route| route.matches(path) != *expected)
            })
            .collect();
        assert!(wrong.is_empty(), "misjudged: {wrong:?}");
        for bad in ["", "a", "/a/.../b", "...", "/:user"] {
            assert_eq!(Route::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn unsupported_manifests_are_refused_by_name() {
        let http = "[[trigger.http]]\nroute = \"/...\"\ncomponent = \"a\"\n";
        let component = "[component.a]\nsource = \"a.wasm\"\n";
        let cases = [
            (
                "spin_manifest_version = 1\n[trigger]\n[component]\n".to_owned(),
                "expected `spin_manifest_version = 2`, got 1",
            ),
            (
                format!("{HEAD}[trigger]\n[component]\n"),
                "expected one component; this host serves one",
            ),
            (
                format!("{HEAD}{http}{component}[component.b]\nsource = \"b.wasm\"\n"),
                "expected one component; this host serves one",
            ),
            (
                format!("{HEAD}[[trigger.redis]]\nroute = \"x\"\ncomponent = \"a\"\n{component}"),
                "component `a` has no HTTP route",
            ),
            (
                format!("{HEAD}{}{component}", http.replace("\"a\"", "\"z\"")),
                "a route names \"z\", expected \"a\"",
            ),
            (
                format!(
                    "{HEAD}{}{component}",
                    http.replace("\"/...\"", "{ private = true }")
                ),
                "expected a route such as \"/...\" or \"/infer\", got { private = true }",
            ),
            (
                format!("{HEAD}{http}[component.a]\nsource = {{ url = \"x\", digest = \"y\" }}\n"),
                "expected the component's source as a path, got { url = \"x\", digest = \"y\" }",
            ),
            (
                format!("{HEAD}{http}{component}files = [\"static/*\"]\n"),
                "expected files as { source = \"…\", destination = \"…\" }, got \"static/*\"",
            ),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .filter_map(|(text, expected)| {
                let message = Manifest::parse(Path::new("spin.toml"), text)
                    .map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
                (message != format!("`spin.toml`: {expected}")).then_some((expected, message))
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn ignored_keys_are_listed() {
        let text = format!(
            "{HEAD}[variables]\nx = {{ default = \"\" }}\n[[trigger.http]]\nroute = \"/a\"\n\
             component = \"a\"\n[component.a]\nsource = \"a.wasm\"\nkey_value_stores = [\"default\"]\n"
        );
        let manifest = Manifest::parse(Path::new("spin.toml"), &text).unwrap();
        assert_eq!(
            manifest.ignored,
            ["variables", "component.a.key_value_stores"]
        );
    }
}
