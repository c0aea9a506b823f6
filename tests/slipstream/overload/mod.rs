//! More comes in than the machine can take: the real binary under floods, with bounds made tiny.

mod doors;
mod fairness;
mod flood;
mod limits;
mod pressure;
mod process;
mod refusals;
