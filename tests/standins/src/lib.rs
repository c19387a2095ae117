//! Stand-ins of outside services that no test can reach: each keeps the service's documented rules over real HTTP and TLS, on a
//! port of the loopback interface, and can be told to misbehave.
//!
//! A stand-in is the service's [`Rules`](server::Rules); [`Server`](server::Server) serves them, writes every request down, and
//! lets a test's [`Script`](script::Script) answer in their place.

pub mod authority;
pub mod aws;
pub mod chatwork;
pub mod datadog;
pub mod github;
pub mod kubernetes;
pub mod proxy;
pub mod pushgateway;
pub mod request;
pub mod script;
pub mod server;
pub mod slack;
pub mod teams;
pub mod webhook;
