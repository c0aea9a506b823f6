//! What must hold of reading a configuration file, whatever it says.
#![expect(clippy::missing_panics_doc, reason = "a check that fails panics: that is what it is for")]

use super::{Config, SETTINGS, sources};

/// A configuration file.
pub fn config_files(data: &[u8]) {
    let Ok(table) = String::from_utf8_lossy(data).parse::<toml::Table>() else { return };
    let mut config = Config::default();
    if let Err(error) = sources::apply_table(&mut config, "fuzzed.toml", "", &table) {
        assert!(error.to_string().len() < 1_000 + data.len(), "an error is no longer than what it is about");
        return;
    }
    for setting in SETTINGS.iter().filter(|s| s.secret) {
        (setting.set)(&mut config, "").expect("a secret can be unset");
    }
    let printed: toml::Table = config.to_toml().parse().expect("what is printed is TOML");
    let mut again = Config::default();
    sources::apply_table(&mut again, "printed.toml", "", &printed).expect("what is printed can be read");
    assert_eq!(again, config);
}
