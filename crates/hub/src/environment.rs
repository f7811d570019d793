//! Settings from the environment variables of the Python package `huggingface_hub` (its `constants.py` and
//! `utils/_auth.py`). An empty variable counts as unset.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::settings::{DEFAULT_ENDPOINT, Settings, SettingsError, Token};

/// The longest token file that is read, in bytes.
const MAX_TOKEN_BYTES: u64 = 16 * 1024;

impl Settings {
    /// Returns the settings of this process's environment:
    ///
    /// - `HF_ENDPOINT`: the endpoint, by default `https://huggingface.co`
    /// - `HF_HUB_CACHE`: the cache, by default `$HF_HOME/hub`
    /// - `HF_HOME`: by default `$XDG_CACHE_HOME/huggingface`, or `~/.cache/huggingface`
    /// - `HF_TOKEN`: the token, by default the contents of `$HF_TOKEN_PATH`, or of `$HF_HOME/token`
    /// - `HF_HUB_OFFLINE`: `1`, `ON`, `YES` or `TRUE` to use the cache alone
    /// - `HF_HUB_DISABLE_IMPLICIT_TOKEN`: the same values to send no token
    ///
    /// The older names `HUGGING_FACE_HUB_TOKEN`, `HUGGINGFACE_HUB_CACHE` and `TRANSFORMERS_OFFLINE` work too.
    ///
    /// # Errors
    /// If a variable has a value that cannot be used, or no variable says where the cache is.
    pub fn from_environment() -> Result<Self, SettingsError> {
        Self::from_variables(&|name| env::var_os(name))
    }

    /// Returns the settings of the variables that `variable` returns, by the rules of [`Settings::from_environment`].
    ///
    /// # Errors
    /// Those of [`Settings::from_environment`].
    pub fn from_variables(
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SettingsError> {
        let variables = Variables(variable);
        let endpoint = variables.text("HF_ENDPOINT")?;
        let home = variables.hub_home()?;
        let cache = match variables.first(&["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"])? {
            Some(cache) => variables.expand(&cache)?,
            None => home.clone().ok_or(SettingsError::NoHome)?.join("hub"),
        };
        let mut settings = Self::new(endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT), cache)?;
        settings.offline = variables.is_true(&["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])?;
        if !variables.is_true(&["HF_HUB_DISABLE_IMPLICIT_TOKEN"])? {
            settings.token = variables.token(home.as_deref())?;
        }
        Ok(settings)
    }
}

struct Variables<'a>(&'a dyn Fn(&str) -> Option<OsString>);

impl Variables<'_> {
    fn text(&self, name: &'static str) -> Result<Option<String>, SettingsError> {
        let value = (self.0)(name).filter(|value| !value.is_empty());
        value
            .map(|value| {
                value
                    .into_string()
                    .map_err(|_| SettingsError::NotText { name })
            })
            .transpose()
    }

    /// Returns the first variable that is set.
    fn first(&self, names: &[&'static str]) -> Result<Option<String>, SettingsError> {
        for name in names {
            if let Some(value) = self.text(name)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn is_true(&self, names: &[&'static str]) -> Result<bool, SettingsError> {
        let value = self.first(names)?.unwrap_or_default().to_uppercase();
        Ok(["1", "ON", "YES", "TRUE"].contains(&value.as_str()))
    }

    /// Returns the user's home, if a variable names it.
    fn user_home(&self) -> Option<PathBuf> {
        let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        (self.0)(name)
            .filter(|home| !home.is_empty())
            .map(PathBuf::from)
    }

    /// Returns the folder of `HF_HOME`, if a variable says where it is.
    fn hub_home(&self) -> Result<Option<PathBuf>, SettingsError> {
        if let Some(home) = self.text("HF_HOME")? {
            return self.expand(&home).map(Some);
        }
        if let Some(cache) = self.text("XDG_CACHE_HOME")? {
            return Ok(Some(self.expand(&cache)?.join("huggingface")));
        }
        Ok(self
            .user_home()
            .map(|home| home.join(".cache").join("huggingface")))
    }

    fn token(&self, home: Option<&Path>) -> Result<Option<Token>, SettingsError> {
        if let Some(token) = self.first(&["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"])? {
            return Token::new(&token);
        }
        let path = match self.text("HF_TOKEN_PATH")? {
            Some(path) => self.expand(&path)?,
            None => match home {
                Some(home) => home.join("token"),
                None => return Ok(None),
            },
        };
        let mut token = String::new();
        let read = File::open(&path)
            .and_then(|file| file.take(MAX_TOKEN_BYTES).read_to_string(&mut token));
        match read {
            Ok(_) => Token::new(&token),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(source) => Err(SettingsError::TokenFile { path, source }),
        }
    }

    /// Replace `~` at the start, `$NAME` and `${NAME}`, like Python's `expanduser` and `expandvars`: an unknown variable
    /// stays as it is.
    fn expand(&self, path: &str) -> Result<PathBuf, SettingsError> {
        let mut expanded = String::new();
        let mut rest = path;
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            let (name, end) = match after
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'))
            {
                Some((name, end)) => (name, end),
                None => {
                    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    after.split_at(after.find(|c| !is_name(c)).unwrap_or(after.len()))
                }
            };
            match (self.0)(name).filter(|_| !name.is_empty()) {
                Some(value) => expanded.push_str(&value.to_string_lossy()),
                None => expanded.push_str(&rest[before.len()..rest.len() - end.len()]),
            }
            rest = end;
        }
        expanded.push_str(rest);
        match expanded.strip_prefix('~') {
            Some(below) if below.is_empty() || below.starts_with('/') => {
                let home = self.user_home().ok_or(SettingsError::NoHome)?;
                Ok(home.join(below.trim_start_matches('/')))
            }
            _ => Ok(PathBuf::from(expanded)),
        }
    }
}
