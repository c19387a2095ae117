//! AWS: the way to its services, and what their answers mean.

mod connection;
pub mod eks;
pub mod refusal;

pub use self::connection::{Keys, NoRegion, Way};
