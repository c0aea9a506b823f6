//! Reinforcement learning: environments, policies, learners and their evaluation.
//!
//! - [`Environment`] is a world with numbered actions and a fixed-length observation: [`daladala`]
//!   is the bus of the Ubungo-Posta route, [`avoidance`] a driver who closes in on another;
//!   [`AnyEnvironment`] is one chosen by name.
//! - [`agent`] is a policy at work in an environment, with a shadow and a [`shield`] beside it; [`live`] lets it advise
//!   a live vehicle.
//! - [`Policy`] gives an action and its scores for an observation; [`policy`] reads those trained elsewhere,
//!   [`evaluate`] tells how good one is.
//! - [`VectorEnvironment`] steps many environments together, [`learners`] make policies of what they see, and
//!   [`network`] is what the deep one learns with.
//!
//! All of it is pure: no threads, no clock, and every draw comes from a [`SplitMix64`] whose seed is
//! an argument. Everything that must survive a crash (an environment's state, a generator) is a
//! small value that serialises.

pub mod agent;
mod any;
pub mod avoidance;
pub mod daladala;
mod decision;
mod environment;
mod evaluation;
pub mod learners;
pub mod live;
pub mod network;
pub mod policy;
mod random;
pub mod shield;
mod tensor;
mod uniform;
mod vector;

pub use any::{AnyEnvironment, AnyLayout, AnyState, EnvironmentKind};
pub use decision::{Decision, Policy, PolicyDescription, PolicyError, ScoreKind, greedy};
pub use environment::{Environment, EnvironmentError, Step};
pub use evaluation::{Evaluation, EvaluationError, Selection, check_fits, evaluate, select};
pub use random::SplitMix64;
pub use uniform::UniformPolicy;
pub use vector::{Episode, VectorEnvironment, VectorState};
