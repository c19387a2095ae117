//! Tests of several parts of the check together.
