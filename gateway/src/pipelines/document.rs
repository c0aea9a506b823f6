//! Descriptions as people write them: TOML or JSON.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;
use slipstream_engine::pipeline::{Mistakes, Pipeline, Surroundings};

/// Why a text is no description of a pipeline.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is neither TOML nor JSON.
    #[error("this is neither TOML nor JSON: {0}")]
    Syntax(String),
    /// It has mistakes, each named and located.
    #[error("{0}")]
    Mistakes(#[from] Mistakes),
}

impl DocumentError {
    /// Whether to try again without a change: never.
    pub const fn is_retryable(&self) -> bool {
        false
    }

    /// One line per mistake.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Mistakes(mistakes) => mistakes.0.iter().map(ToString::to_string).collect(),
            other => vec![other.to_string()],
        }
    }
}

/// Reads a text: JSON where it begins like it, TOML otherwise.
pub fn parse(text: &str) -> Result<Value, DocumentError> {
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| DocumentError::Syntax(error.to_string()))
    } else {
        toml::from_str(text).map_err(|error| DocumentError::Syntax(error.to_string().trim_end().to_owned()))
    }
}

/// Reads a text and checks it whole, with what it may refer to; tells the pipeline's name.
pub fn check(text: &str, around: &Surroundings) -> Result<(String, Value), DocumentError> {
    let document = parse(text)?;
    let pipeline = Pipeline::build_with(&document, around)?;
    Ok((pipeline.spec().name.clone(), document))
}

/// As [`check`], from a file.
pub fn check_file(path: &Path, around: &Surroundings) -> Result<(String, Value), DocumentError> {
    check(&fs::read_to_string(path).map_err(|source| DocumentError::Read { path: path.to_owned(), source })?, around)
}

/// The descriptions in these files by the names they give themselves, with or without mistakes: so that they may refer to each
/// other. What cannot be read is left out.
pub fn named(paths: &[PathBuf]) -> Vec<(String, Value)> {
    let documents = paths.iter().filter_map(|path| parse(&fs::read_to_string(path).ok()?).ok());
    documents.filter_map(|document| Some((document["name"].as_str()?.to_owned(), document))).collect()
}

/// The descriptions in a folder: files that end in `.toml` or `.json`, by name. Nothing where there is no folder.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "toml" || e == "json"));
    files.sort();
    Ok(files)
}
