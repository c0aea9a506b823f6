//! One model per class of vehicles, learnt from their own past.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::model::{ModelError, PcaModel, Surprise};

/// How models are learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Rows of a class before its model is made.
    pub rows: usize,
    /// Directions kept.
    pub components: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self { rows: 500, components: 2 }
    }
}

/// The models, and the rows of classes that have none yet. A model once made stays until [`ClassModels::forget`]: what is judged
/// does not move what is usual.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassModels {
    models: BTreeMap<String, PcaModel>,
    learning: BTreeMap<String, Vec<Vec<f64>>>,
    failed: u64,
}

impl ClassModels {
    /// Judges a row of a class that has a model; learns from it, and answers `None`, where there is none yet.
    pub fn take(&mut self, class: &str, row: &[f64], config: TrainConfig) -> Option<Surprise> {
        if let Some(model) = self.models.get(class) {
            return model.surprise(row).ok();
        }
        if row.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let rows = self.learning.entry(class.to_owned()).or_default();
        rows.push(row.to_vec());
        if rows.len() >= config.rows {
            let rows = self.learning.remove(class)?;
            match PcaModel::train(&rows, config.components) {
                Ok(model) => {
                    self.models.insert(class.to_owned(), model);
                }
                Err(_) => self.failed += 1,
            }
        }
        None
    }

    /// Learns a class from recorded rows, in place of what it had.
    pub fn train(&mut self, class: &str, rows: &[Vec<f64>], config: TrainConfig) -> Result<(), ModelError> {
        let model = PcaModel::train(rows, config.components)?;
        self.learning.remove(class);
        self.models.insert(class.to_owned(), model);
        Ok(())
    }

    /// Forgets a class: it is learnt anew. Whether there was one.
    pub fn forget(&mut self, class: &str) -> bool {
        let learning = self.learning.remove(class).is_some();
        self.models.remove(class).is_some() || learning
    }

    /// The model of a class.
    pub fn model(&self, class: &str) -> Option<&PcaModel> {
        self.models.get(class)
    }

    /// Every class, with its model or the rows learnt so far.
    pub fn classes(&self) -> impl Iterator<Item = (&str, Result<&PcaModel, usize>)> {
        let made = self.models.iter().map(|(class, model)| (class.as_str(), Ok(model)));
        made.chain(self.learning.iter().map(|(class, rows)| (class.as_str(), Err(rows.len()))))
    }

    /// How often a class could not be learnt (and began anew).
    pub const fn failed(&self) -> u64 {
        self.failed
    }

    /// Memory held beside the value itself, bytes.
    pub fn heap_bytes(&self) -> usize {
        let rows: usize = self.learning.values().flatten().map(|r| r.len() * size_of::<f64>() + size_of::<Vec<f64>>()).sum();
        rows + self.models.iter().map(|(class, m)| class.len() + m.heap_bytes() + size_of::<PcaModel>()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(i: i32) -> Vec<f64> {
        let x = f64::from(i * 7919 % 1_009);
        vec![x, 2.0 * x + f64::from(i % 7), x - f64::from(i % 5)]
    }

    #[test]
    fn each_class_is_learnt_from_its_own_rows_and_kept() {
        let (mut models, config) = (ClassModels::default(), TrainConfig { rows: 200, components: 1 });
        for i in 0..200 {
            assert_eq!(models.take("bus", &row(i), config), None);
            models.take("tram", &row(i).iter().map(|v| -v).collect::<Vec<_>>(), TrainConfig { rows: 300, ..config });
        }
        assert_eq!(models.classes().map(|(c, m)| (c, m.map(PcaModel::rows))).collect::<Vec<_>>(), [("bus", Ok(200)), ("tram", Err(200))]);
        let mut again: ClassModels = postcard::from_bytes(&postcard::to_allocvec(&models).unwrap()).unwrap();
        assert_eq!(again, models);
        assert!(again.take("bus", &row(777), config).unwrap().score < 1.0);
        assert!(again.take("bus", &[500.0, 0.0, 500.0], config).unwrap().score > 1.0);
        assert!(again.forget("bus") && !again.forget("bus"));
        assert_eq!(again.take("bus", &row(1), config), None);
    }
}
