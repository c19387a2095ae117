//! The check
