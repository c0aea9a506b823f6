//! What is not as it used to be: one signal beside its own recent past ([`RobustWindow`]), or many signals beside what a class of
//! vehicles does together ([`PcaModel`]).

mod classes;
mod model;
mod robust;

pub use classes::{ClassModels, TrainConfig};
pub use model::{ModelError, PcaModel, Surprise};
pub use robust::RobustWindow;
