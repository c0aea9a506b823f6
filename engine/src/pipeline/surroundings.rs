//! What a pipeline may refer to beside itself.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;
use slipstream_protocol::DEFAULT_CLOCK_SKEW;

use super::tables::{MemoryTables, Tables};

/// Tables, and other pipelines.
#[derive(Clone)]
pub struct Surroundings {
    /// Tables to enrich rows from.
    pub tables: Arc<dyn Tables>,
    /// The descriptions of other pipelines, by name.
    pub pipelines: BTreeMap<String, Value>,
    /// How far a sample's source time may lead its arrival before it decides nothing.
    pub clock_skew: Duration,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { tables: Arc::new(MemoryTables::default()), pipelines: BTreeMap::new(), clock_skew: DEFAULT_CLOCK_SKEW }
    }
}

impl Surroundings {
    /// With tables alone.
    pub fn with_tables(tables: Arc<dyn Tables>) -> Self {
        Self { tables, ..Self::default() }
    }

    /// With other pipelines alone.
    pub fn with_pipelines(pipelines: impl IntoIterator<Item = (String, Value)>) -> Self {
        Self { pipelines: pipelines.into_iter().collect(), ..Self::default() }
    }
}
