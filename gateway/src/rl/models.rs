//! Policies in a folder: Stable-Baselines3 `.zip`, PyTorch `.pth`, ONNX, safetensors.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use slipstream_actors::CommandError;
use slipstream_engine::rl::{
    Environment as _, EnvironmentKind,
    agent::PlayedPolicy,
    learners,
    policy::{self, Algorithm, LoadError, MAX_FILE_BYTES, TrainedPolicy},
};
use slipstream_protocol::AgentId;
use thiserror::Error;

use crate::training::read_network;

/// What files of models end in.
const ENDINGS: [&str; 4] = ["zip", "pth", "onnx", "safetensors"];
/// The policy that is there without any file: DQN in Daladala, as `slipstream rl train --seed 2 --steps 40000
/// --until 1000` learns it; nothing better is possible in every one of 10,000 episodes.
const BUILT_IN: &[u8] = include_bytes!("built_in/daladala.dqn.safetensors");
/// How the built-in policy is asked for.
const BUILT_IN_SOURCE: &str = "built-in";
/// What the built-in policy is called.
const BUILT_IN_NAME: &str = "built-in DQN";
/// What the rules of collision avoidance are called.
const RULES: &str = "rules";
/// Folder within the folder for what was learnt beside live agents. No algorithm is looked for there: who wants
/// such a model names it.
pub(super) const TRAINED: &str = "trained/";
/// Files looked at in the folder.
const MAX_FILES: usize = 256;

/// Why there is no model to play.
#[derive(Debug, Error)]
pub enum ModelError {
    /// No file is of this algorithm or name.
    #[error("there is no model {wanted}: put one into {folder} (.zip, .pth, .onnx or .safetensors)")]
    Absent {
        /// What was asked for.
        wanted: String,
        /// Where models are looked for.
        folder: String,
    },
    /// The file cannot be read.
    #[error("the model {file} cannot be read: {error}")]
    Io {
        /// Which.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// The file is no policy that can be played.
    #[error("the model {file} is refused: {error}")]
    Refused {
        /// Which.
        file: String,
        /// Why.
        error: LoadError,
    },
    /// The agent would not have it.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl ModelError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Command(error) => error.is_retryable(),
            Self::Io { .. } => true,
            Self::Absent { .. } | Self::Refused { .. } => false,
        }
    }
}

/// A model in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// Its file's name.
    pub name: String,
    /// The algorithm that its name tells.
    pub algorithm: Option<Algorithm>,
    /// Its size, bytes.
    pub bytes: u64,
}

/// The folder.
#[derive(Clone, Debug)]
pub struct Models {
    folder: PathBuf,
}

impl Models {
    /// The models in `folder`, which need not be there.
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The files there are, by name.
    pub async fn list(&self) -> Vec<ModelFile> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || list(&folder)).await.unwrap_or_default()
    }

    /// The policy of an algorithm that fits an environment: the first file that is named after it, else the
    /// built-in one where there is one.
    pub async fn of(&self, algorithm: Algorithm, environment: EnvironmentKind) -> Result<PlayedPolicy, ModelError> {
        let found = self.list().await.into_iter().find(|file| file.algorithm == Some(algorithm));
        if let (None, Algorithm::Dqn, Some(built_in)) = (&found, algorithm, self.built_in(environment)) {
            return built_in;
        }
        let file = found.ok_or_else(|| self.absent(algorithm.name()))?;
        self.named(&file.name, environment).await
    }

    /// The policy that is there without any file, where there is one for this environment.
    pub fn built_in(&self, environment: EnvironmentKind) -> Option<Result<PlayedPolicy, ModelError>> {
        let refused = |error| ModelError::Refused { file: BUILT_IN_NAME.to_owned(), error };
        let read = || policy::load(BUILT_IN).and_then(|policy| fitting(policy, environment)).map_err(refused);
        (environment == EnvironmentKind::Daladala).then(read)
    }

    /// The policy in the file of this name; `built-in` is the one without a file, and `rules` that of collision avoidance.
    pub async fn named(&self, name: &str, environment: EnvironmentKind) -> Result<PlayedPolicy, ModelError> {
        if (name, environment) == (RULES, EnvironmentKind::Avoidance) {
            return Ok(PlayedPolicy::rules());
        }
        if name == BUILT_IN_SOURCE {
            return self.built_in(environment).unwrap_or_else(|| Err(self.absent(name)));
        }
        if !self.list().await.iter().any(|file| file.name == name) {
            return Err(self.absent(name));
        }
        let (path, file) = (self.folder.join(name), name.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            let bytes = fs::read(&path).map_err(|error| ModelError::Io { file: file.clone(), error })?;
            let own = file.starts_with(TRAINED);
            match read_network(&path, &bytes).and_then(|policy| fitting(policy, environment)) {
                Ok(played) => Ok(played),
                Err(error) => learnt_here(own.then_some(bytes), environment).ok_or(ModelError::Refused { file, error }),
            }
        });
        read.await.unwrap_or_else(|_| Err(self.absent(name)))
    }

    fn absent(&self, wanted: &str) -> ModelError {
        ModelError::Absent { wanted: wanted.to_owned(), folder: self.folder.display().to_string() }
    }
}

/// A policy as agents play it, if it fits the environment. Kept as safetensors: that outlives this process.
pub(crate) fn fitting(policy: TrainedPolicy, environment: EnvironmentKind) -> Result<PlayedPolicy, LoadError> {
    let world = environment.environment();
    policy.fits(world.observation_len(), world.action_count())?;
    let policy = policy.trained_in(environment.name());
    let file = policy::to_safetensors(&policy).into();
    Ok(PlayedPolicy { policy: Arc::new(policy), file: Some(file) })
}

/// What was learnt here and is no network: a learner's checkpoint that fits the environment.
fn learnt_here(bytes: Option<Vec<u8>>, environment: EnvironmentKind) -> Option<PlayedPolicy> {
    let bytes = bytes?;
    let policy = learners::resume(&bytes).ok()?.policy().ok()?;
    let world = environment.environment();
    let fits = (policy.observation_len(), policy.action_count()) == (world.observation_len(), world.action_count());
    fits.then(|| PlayedPolicy { policy, file: Some(bytes.into()) })
}

/// What the policy learnt for an agent is called.
pub(super) fn trained_name(agent: &AgentId) -> String {
    format!("{TRAINED}{agent}.safetensors")
}

fn list(folder: &Path) -> Vec<ModelFile> {
    let mut files = list_one(folder);
    let trained = list_one(&folder.join(TRAINED));
    files.extend(trained.into_iter().map(|file| ModelFile { name: format!("{TRAINED}{}", file.name), algorithm: None, ..file }));
    files
}

fn list_one(folder: &Path) -> Vec<ModelFile> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let model = |entry: fs::DirEntry| {
        let (name, about) = (entry.file_name().into_string().ok()?, entry.metadata().ok()?);
        let ending = Path::new(&name).extension()?.to_str()?.to_ascii_lowercase();
        let fits = about.is_file() && about.len() <= MAX_FILE_BYTES as u64 && ENDINGS.contains(&ending.as_str());
        fits.then(|| ModelFile { algorithm: algorithm_of(&name), bytes: about.len(), name })
    };
    let mut files: Vec<_> = entries.filter_map(Result::ok).filter_map(model).take(MAX_FILES).collect();
    files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    files
}

/// The algorithm that a file is named after: `best_dqn.zip`, `PPO-3.onnx`.
fn algorithm_of(name: &str) -> Option<Algorithm> {
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.find_map(Algorithm::of_name).filter(|algorithm| *algorithm != Algorithm::Unknown)
}

#[cfg(test)]
mod tests {
    use slipstream_engine::rl::{Selection, evaluate};

    use super::*;

    #[test]
    fn a_file_tells_its_algorithm_by_a_word_of_its_name() {
        assert_eq!(algorithm_of("best_dqn.zip"), Some(Algorithm::Dqn));
        assert_eq!(algorithm_of("best_reinforce_policy.pth"), Some(Algorithm::Reinforce));
        assert_eq!(algorithm_of("A2C-3.onnx"), Some(Algorithm::A2c));
        assert_eq!(algorithm_of("appointment.zip"), None);
    }

    #[tokio::test]
    async fn without_any_file_the_built_in_policy_drives_the_bus_as_well_as_is_possible() {
        let models = Models::new(PathBuf::from("/nowhere"));
        let played = models.of(Algorithm::Dqn, EnvironmentKind::Daladala).await.unwrap();
        let world = EnvironmentKind::Daladala.environment();
        let evaluation = evaluate(&*played.policy, &world, 500, 11, Selection::Greedy).unwrap();
        assert_eq!(evaluation.optimal_share, Some(1.0), "{evaluation:?}");
        assert!(matches!(models.of(Algorithm::Ppo, EnvironmentKind::Daladala).await, Err(ModelError::Absent { .. })));
    }

    #[tokio::test]
    async fn a_name_leads_nowhere_but_into_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("models");
        fs::create_dir(&inner).unwrap();
        fs::write(folder.path().join("outside.zip"), b"PK").unwrap();
        fs::write(inner.join("dqn.zip"), b"PK\x03\x04").unwrap();
        let models = Models::new(inner);
        let absent = models.named("../outside.zip", EnvironmentKind::Daladala).await;
        assert!(matches!(absent, Err(ModelError::Absent { .. })));
        let refused = models.of(Algorithm::Dqn, EnvironmentKind::Daladala).await;
        assert!(matches!(refused, Err(ModelError::Refused { error: LoadError::Archive(_), .. })));
    }
}
