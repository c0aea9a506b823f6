//! What was declared, before it runs.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use super::{
    Entry, PipelineParts, Pipelines, consumer_name, document,
    store::{Record, Store},
    tables,
};

/// Declared pipelines before they run: what is to be known before the journal forgets anything.
pub struct DeclaredPipelines {
    store: Store,
    records: BTreeMap<String, Record>,
}

impl DeclaredPipelines {
    /// Those kept under `data_dir`, and those of the files in `folder`, which go before. A file with mistakes is told and left
    /// out; what it declared before goes on.
    pub fn read(data_dir: &Path, folder: Option<&Path>) -> Self {
        let store = Store::new(data_dir);
        let mut records: BTreeMap<String, Record> = store.records().into_iter().collect();
        let files = folder.map(document::files).transpose().unwrap_or_else(|error| {
            tracing::error!(%error, "the folder of pipelines cannot be read");
            None
        });
        let mut declared = Vec::new();
        let paths: Vec<_> = files.into_iter().flatten().collect();
        // A file may refer to one that comes later.
        let mut around = tables::named();
        around.pipelines = records.iter().map(|(name, record)| (name.clone(), record.document.clone())).collect();
        around.pipelines.extend(document::named(&paths));
        for path in &paths {
            match document::check_file(path, &around) {
                Ok((name, document)) => {
                    take_up(&store, &mut records, &name, document);
                    declared.push(name);
                }
                Err(error) => {
                    for mistake in error.lines() {
                        tracing::error!(path = %path.display(), mistake, "a pipeline is not as it should be and is left out");
                    }
                    declared.extend(path.file_stem().map(|s| s.to_string_lossy().into_owned()));
                }
            }
        }
        let gone: Vec<String> =
            records.iter().filter(|(n, r)| r.from_file && folder.is_some() && !declared.contains(n)).map(|(n, _)| n.clone()).collect();
        for name in gone {
            tracing::info!(pipeline = name, "its file is gone, and so is the pipeline");
            records.remove(&name);
            if let Err(error) = store.remove(&name) {
                tracing::error!(pipeline = name, %error, "it could not be removed");
            }
        }
        Self { store, records }
    }

    /// What the journal is to keep records for.
    pub fn consumers(&self) -> Vec<String> {
        self.records.keys().map(|name| consumer_name(name)).collect()
    }

    /// Starts those that are not paused. To be called within a tokio runtime.
    pub async fn start(self, parts: PipelineParts) -> Pipelines {
        let pipelines = Pipelines::new(self.store, parts);
        let mut entries = pipelines.entries.lock().await;
        // All are known before the first one starts: some read others.
        for (name, record) in self.records {
            entries.insert(name, Entry::standing(record));
        }
        let names: Vec<String> = entries.keys().cloned().collect();
        for name in names {
            pipelines.enter(&mut entries, &name).await;
        }
        drop(entries);
        pipelines
    }
}

/// A file's description goes before what is known under its name; its state stays where nothing changed.
fn take_up(store: &Store, records: &mut BTreeMap<String, Record>, name: &str, document: Value) {
    let record = match records.get(name) {
        Some(known) if known.document == document => Record { from_file: true, ..known.clone() },
        other => Record { document, from_file: true, generation: other.map_or(1, |r| r.generation + 1), ..Record::default() },
    };
    if records.get(name) != Some(&record)
        && let Err(error) = store.keep(name, &record)
    {
        tracing::error!(pipeline = name, %error, "a declared pipeline cannot be written down");
    }
    records.insert(name.to_owned(), record);
}
