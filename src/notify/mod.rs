//! The result reaches people: chat services, GitHub, metrics and Kubernetes Events.
//!
//! A run makes one [`Message`], which each service gives its own form: pure functions, whose bytes are in the tests as snapshots.
//! [`Audience`] sends them. Whatever happens there is told as a note and never changes a verdict.

pub mod announce;
pub mod chatwork;
pub mod delivery;
pub mod github;
pub mod kubernetes_event;
pub mod message;
pub mod pushgateway;
pub mod sample;
pub mod settings;
pub mod slack;
pub mod teams;
pub mod waiting;
pub mod webhook;
pub mod when;

pub use self::announce::{Audience, Outcome};
pub use self::message::{Message, Told};
