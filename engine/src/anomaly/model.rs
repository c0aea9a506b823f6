//! What many signals do together, by principal components.

use serde::{Deserialize, Serialize};
use smartcore::{
    decomposition::pca::{PCA, PCAParameters},
    linalg::basic::{arrays::Array, matrix::DenseMatrix},
};

/// Why no model was made, or it cannot judge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// There are fewer rows than a model of so many features needs.
    #[error("{rows} rows of {features} features are too few to learn from: at least {needed} are needed")]
    TooFew {
        /// Rows given.
        rows: usize,
        /// Features in each.
        features: usize,
        /// Rows needed.
        needed: usize,
    },
    /// A row has another number of features, or one that is no number.
    #[error("a row must have {expected} finite features")]
    Shape {
        /// Features expected.
        expected: usize,
    },
    /// The decomposition failed.
    #[error("no components were found: {0}")]
    Decomposition(String),
}

impl ModelError {
    /// Whether more data may help.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::TooFew { .. })
    }
}

/// How surprising a row is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surprise {
    /// Reconstruction error over the one that all but a thousandth of the training rows stay below: above 1 is an anomaly.
    pub score: f64,
    /// Which feature is farthest from what the others let expect.
    pub feature: usize,
}

/// A model of what is usual: features, standardised, lie near a few directions. What those cannot reproduce is unusual.
///
/// Plain numbers, so it can be stored by serde and read by anybody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PcaModel {
    mean: Vec<f64>,
    /// Standard deviation; 1 for what never changed.
    scale: Vec<f64>,
    /// The directions, one row each.
    components: Vec<Vec<f64>>,
    /// Reconstruction error that one in a thousand training rows exceeds.
    limit: f64,
    rows: usize,
}

/// The share of training rows below the limit.
const USUAL: f64 = 0.999;

/// The limit lies this much above that share, since a model fits its own training best.
const HEADROOM: f64 = 1.25;

impl PcaModel {
    /// Learns from rows of equally many features, keeping `components` directions (fewer than features). The result depends on
    /// the rows alone.
    pub fn train(rows: &[Vec<f64>], components: usize) -> Result<Self, ModelError> {
        let features = rows.first().map_or(0, Vec::len);
        let needed = (features * 10).max(50);
        if rows.len() < needed || features < 2 {
            return Err(ModelError::TooFew { rows: rows.len(), features, needed });
        }
        if rows.iter().any(|r| r.len() != features || r.iter().any(|v| !v.is_finite())) {
            return Err(ModelError::Shape { expected: features });
        }
        let n = rows.len() as f64;
        let mean: Vec<f64> = (0..features).map(|f| rows.iter().map(|r| r[f]).sum::<f64>() / n).collect();
        let scale: Vec<f64> = (0..features)
            .map(|f| (rows.iter().map(|r| (r[f] - mean[f]).powi(2)).sum::<f64>() / n).sqrt())
            .map(|deviation| if deviation > 1e-12 { deviation } else { 1.0 })
            .collect();
        let mut model = Self { mean, scale, components: Vec::new(), limit: 0.0, rows: rows.len() };
        let standard: Vec<Vec<f64>> = rows.iter().map(|r| model.standard(r)).collect();
        model.components = directions(&standard, components.clamp(1, features - 1))?;
        let mut errors: Vec<f64> = standard.iter().map(|z| square(&model.residual(z))).collect();
        errors.sort_by(f64::total_cmp);
        let at = ((errors.len() - 1) as f64 * USUAL).round() as usize;
        // Features that follow from each other exactly leave no error; a hundredth of a deviation is still usual.
        model.limit = (errors[at] * HEADROOM).max(1e-4 * features as f64);
        Ok(model)
    }

    /// Judges a row.
    pub fn surprise(&self, row: &[f64]) -> Result<Surprise, ModelError> {
        if row.len() != self.mean.len() || row.iter().any(|v| !v.is_finite()) {
            return Err(ModelError::Shape { expected: self.mean.len() });
        }
        let residual = self.residual(&self.standard(row));
        let feature = (0..residual.len()).max_by(|a, b| residual[*a].abs().total_cmp(&residual[*b].abs())).unwrap_or(0);
        Ok(Surprise { score: (square(&residual) / self.limit).sqrt(), feature })
    }

    /// How many rows it was trained on.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// How many features it judges by.
    pub fn features(&self) -> usize {
        self.mean.len()
    }

    /// Memory held beside the value itself, bytes.
    pub fn heap_bytes(&self) -> usize {
        (self.mean.len() * 2 + self.components.iter().map(Vec::len).sum::<usize>()) * size_of::<f64>()
    }

    fn standard(&self, row: &[f64]) -> Vec<f64> {
        row.iter().zip(&self.mean).zip(&self.scale).map(|((v, mean), scale)| (v - mean) / scale).collect()
    }

    /// What the directions cannot reproduce.
    fn residual(&self, z: &[f64]) -> Vec<f64> {
        let mut rest = z.to_vec();
        for direction in &self.components {
            let along: f64 = z.iter().zip(direction).map(|(a, b)| a * b).sum();
            for (r, d) in rest.iter_mut().zip(direction) {
                *r -= along * d;
            }
        }
        rest
    }
}

fn square(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum()
}

fn directions(standard: &[Vec<f64>], count: usize) -> Result<Vec<Vec<f64>>, ModelError> {
    let failed = |e: String| ModelError::Decomposition(e);
    let matrix = DenseMatrix::from_2d_vec(&standard.to_vec()).map_err(|e| failed(e.to_string()))?;
    let pca = PCA::fit(&matrix, PCAParameters::default().with_n_components(count)).map_err(|e| failed(e.to_string()))?;
    let projection = pca.components();
    let (features, kept) = projection.shape();
    Ok((0..kept).map(|c| (0..features).map(|f| *projection.get((f, c))).collect()).collect())
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};

    use super::*;

    /// Speed, engine speed in a gear, power: what belongs together.
    fn usual(rng: &mut rand_chacha::ChaCha8Rng) -> Vec<f64> {
        let (speed, gear): (f64, f64) = (rng.random_range(5.0..60.0), f64::from(rng.random_range(1..=6_u8)));
        let rpm = speed * 45.0 + gear * 100.0 + rng.random_range(-60.0..60.0);
        vec![speed, gear, rpm, speed * 2.0 + rng.random_range(-2.0..2.0)]
    }

    #[test]
    fn what_does_not_go_together_is_surprising_though_each_value_is_usual() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        let rows: Vec<_> = (0..800).map(|_| usual(&mut rng)).collect();
        let model = PcaModel::train(&rows, 2).unwrap();
        let fresh: Vec<f64> = (0..800).map(|_| model.surprise(&usual(&mut rng)).unwrap().score).collect();
        assert!(fresh.iter().filter(|s| **s > 1.0).count() <= 8, "one in a hundred at most");
        // 50 m/s at an engine speed of 15 m/s: no clutch.
        let slipping = model.surprise(&[50.0, 4.0, 1_100.0, 100.0]).unwrap();
        assert!(slipping.score > 2.0 && slipping.feature == 2, "{slipping:?}");
        let stored: PcaModel = serde_json::from_str(&serde_json::to_string(&model).unwrap()).unwrap();
        assert_eq!(stored, model);
    }

    #[test]
    fn what_cannot_be_learnt_from_is_told() {
        assert_eq!(PcaModel::train(&vec![vec![1.0, 2.0]; 10], 1), Err(ModelError::TooFew { rows: 10, features: 2, needed: 50 }));
        let mut rows = vec![vec![1.0, 2.0]; 60];
        rows[5] = vec![1.0, f64::NAN];
        assert_eq!(PcaModel::train(&rows, 1), Err(ModelError::Shape { expected: 2 }));
        rows[5] = vec![1.0, 2.0];
        let constant = PcaModel::train(&rows, 1).unwrap();
        assert!(constant.surprise(&[1.0, 2.0]).unwrap().score < 1e-6);
        assert!(constant.surprise(&[1.0]).is_err());
    }
}
