//! Walking the sources from weak to strong.

use std::{fmt, path::Path};

use super::{Config, Flags, SETTINGS, Setting};

/// The file that is read where none is named.
const DEFAULT_FILE: &str = "slipstream.toml";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(String),
    /// An environment variable.
    Environment(&'static str),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {path}"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// Why the configuration does not stand.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value that a setting does not take.
    #[error("{key} = '{value}' ({source_name}): expected {expects}")]
    Value {
        /// The setting.
        key: &'static str,
        /// What was given; redacted for secrets.
        value: String,
        /// Where it was given.
        source_name: Source,
        /// What is expected.
        expects: &'static str,
    },
    /// A key that is no setting.
    #[error("'{key}' ({source_name}) is no setting{}; `slipstream config` lists them all", near.map(|n| format!(", did you mean '{n}'?")).unwrap_or_default())]
    Unknown {
        /// What was given.
        key: String,
        /// Where.
        source_name: Source,
        /// The closest key there is.
        near: Option<&'static str>,
    },
    /// A `--set` without a key and a value.
    #[error("'--set {0}' must be --set key=value")]
    SetForm(String),
    /// The file could not be read.
    #[error("{path} cannot be read: {reason}")]
    File {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
}

impl ConfigError {
    /// Whether to try again without a change: never, the configuration must be mended first.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

/// Resolves the configuration from defaults, file, process environment and `flags`.
pub fn resolve(flags: &Flags) -> Result<Config, ConfigError> {
    resolve_from(flags, |name| std::env::var(name).ok())
}

/// Like [`resolve`], with the environment as an argument.
pub fn resolve_from(flags: &Flags, environment: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    if let Some((path, table)) = read_file(flags.config.as_deref())? {
        apply_table(&mut config, &path, "", &table)?;
    }
    for setting in SETTINGS {
        // An empty variable is an unset one: compose files and shells pass on what was never set as empty.
        if let Some(value) = environment(setting.env).filter(|value| !value.trim().is_empty()) {
            apply(&mut config, setting, value.trim(), || Source::Environment(setting.env))?;
        }
    }
    for (key, flag, value) in flags.given() {
        apply(&mut config, find(key, || Source::Flag(flag.to_owned()))?, value, || Source::Flag(flag.to_owned()))?;
    }
    for given in &flags.set {
        let (key, value) = given.split_once('=').ok_or_else(|| ConfigError::SetForm(given.clone()))?;
        let source = || Source::Flag("--set".to_owned());
        apply(&mut config, find(key.trim(), source)?, value.trim(), source)?;
    }
    Ok(config)
}

fn read_file(named: Option<&Path>) -> Result<Option<(String, toml::Table)>, ConfigError> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let shown = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ConfigError::File { path: shown, reason: error.to_string() }),
    };
    match text.parse::<toml::Table>() {
        Ok(table) => Ok(Some((shown, table))),
        Err(error) => Err(ConfigError::File { path: shown, reason: error.to_string() }),
    }
}

pub(super) fn apply_table(config: &mut Config, path: &str, prefix: &str, table: &toml::Table) -> Result<(), ConfigError> {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if let toml::Value::Table(inner) = value {
            apply_table(config, path, &key, inner)?;
            continue;
        }
        let source = || Source::File(path.to_owned());
        apply(config, find(&key, source)?, &plain(value), source)?;
    }
    Ok(())
}

/// A TOML value in the form environment variables have.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn find(key: &str, source: impl Fn() -> Source) -> Result<&'static Setting, ConfigError> {
    SETTINGS.iter().find(|s| s.key == key).ok_or_else(|| ConfigError::Unknown {
        key: key.to_owned(),
        source_name: source(),
        near: SETTINGS.iter().map(|s| (distance(s.key, key), s.key)).min().filter(|(d, _)| *d <= 3).map(|(_, k)| k),
    })
}

fn apply(config: &mut Config, setting: &'static Setting, value: &str, source: impl Fn() -> Source) -> Result<(), ConfigError> {
    (setting.set)(config, value).ok_or_else(|| ConfigError::Value {
        key: setting.key,
        value: if setting.secret { "***".to_owned() } else { value.chars().take(80).collect() },
        source_name: source(),
        expects: setting.expects,
    })
}

/// Levenshtein distance, for "did you mean".
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, Flags) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.toml");
        std::fs::write(&path, text).unwrap();
        (dir, Flags { config: Some(path), ..Flags::default() })
    }

    #[test]
    fn stronger_sources_win() {
        let (_dir, mut flags) = file("port = 1\nlog_level = 'debug'\n[ws]\nwindow = 7\n");
        let environment = |name: &str| (name == "PORT").then(|| "2".to_owned());
        let config = resolve_from(&flags, environment).unwrap();
        assert_eq!((config.port, config.log_level.as_str(), config.ws.window), (2, "debug", 7));
        flags.port = Some("3".into());
        flags.set = vec!["ws.window=9".into()];
        let config = resolve_from(&flags, environment).unwrap();
        assert_eq!((config.port, config.ws.window), (3, 9));
    }

    #[test]
    fn an_empty_variable_is_an_unset_one_whatever_it_sets() {
        for empty in ["", "  "] {
            let config = resolve_from(&Flags::default(), |_| Some(empty.to_owned())).unwrap();
            assert_eq!(config, Config::default());
        }
    }

    #[test]
    fn errors_name_key_value_source_and_what_is_expected() {
        let error = resolve_from(&Flags::default(), |n| (n == "PORT").then(|| "http".to_owned())).unwrap_err().to_string();
        for part in ["port", "'http'", "environment variable PORT", "a port number from 0 to 65535"] {
            assert!(error.contains(part), "{error}");
        }
        let (_dir, flags) = file("prot = 1");
        let error = resolve_from(&flags, |_| None).unwrap_err().to_string();
        assert!(error.contains("'prot'") && error.contains("did you mean 'port'"), "{error}");
    }

    #[test]
    fn secrets_never_show() {
        let value = |n: &str| (n == "JWT_SECRET").then(|| "correct horse battery".to_owned());
        let config = resolve_from(&Flags::default(), value).unwrap();
        assert!(!config.to_toml().contains("horse") && !format!("{config:?}").contains("horse"));
        let short = resolve_from(&Flags::default(), |n| (n == "JWT_SECRET").then(|| "hunter2".to_owned())).unwrap_err();
        assert!(!short.to_string().contains("hunter2"), "{short}");
    }

    #[test]
    fn every_printed_key_is_a_setting_and_can_be_read_back() {
        let config = Config { jwt_secret: None, ..Config::default() };
        let (_dir, flags) = file(&config.to_toml());
        assert_eq!(resolve_from(&flags, |_| None).unwrap(), config);
    }

    #[test]
    fn keys_and_variables_are_unique() {
        for (i, a) in SETTINGS.iter().enumerate() {
            assert!(SETTINGS[..i].iter().all(|b| a.key != b.key && a.env != b.env), "{}", a.key);
        }
    }
}
