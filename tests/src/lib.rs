//! What the tests share: real servers, started and stopped by the test that needs them.

pub mod api;
pub mod authority;
pub mod gateway;
pub mod port;
pub mod server_process;
pub mod servers;
pub mod small_disk;
pub mod stand_in;
pub mod write_api;
