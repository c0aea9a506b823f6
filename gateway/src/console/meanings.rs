//! The engine's table of meanings as the pages load it: `js/meanings.js`.

use std::fmt::Write as _;

use slipstream_engine::{
    geo::NO_FIX_DEG,
    signals::table::{ALIASES, ROLE_NAMES},
};

/// The module's text.
fn module() -> String {
    let mut text = String::from(
        "// What names of signals mean. Made from `engine/src/signals/table.rs`: change it there; a test of the gateway says what to do then.\n\n\
         /** Nearer to 0/0 than this, in degrees, is no fix. */\n",
    );
    let _ = writeln!(text, "export const NO_FIX_DEG = {NO_FIX_DEG};\n");
    text.push_str("/** Roles by their canonical names: what they are called, and their unit. */\nexport const ROLES = {\n");
    for role in &ROLE_NAMES {
        let _ = writeln!(text, "  {}: {{ label: '{}', unit: '{}' }},", role.name, role.label, role.unit);
    }
    text.push_str(
        "};\n\n/** Names in lower case without `_`, `-`, blanks and brackets: the role, the factor to its unit, the unit they come in. */\n\
         export const NAMES = {\n",
    );
    for alias in ALIASES {
        let role = ROLE_NAMES[alias.meaning.role as usize].name;
        let _ = writeln!(text, "  '{}': ['{role}', {}, '{}'],", alias.folded, alias.meaning.scale, alias.unit);
    }
    text.push_str("};\n");
    text
}

#[test]
fn the_pages_know_what_the_engine_knows() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("console/js/meanings.js");
    if std::env::var_os("SLIPSTREAM_WRITE_MEANINGS").is_some() {
        std::fs::write(&file, module()).unwrap();
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(known == module(), "console/js/meanings.js is not the engine's table: run this test with SLIPSTREAM_WRITE_MEANINGS=1");
}
