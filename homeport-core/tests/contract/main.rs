//! The documents of the contract against the code: every vector and every example of `spec/`, the JSON Schema beside the
//! parser, and laws that hold for any bytes. Never touches anything outside of `spec/`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in what its cases share")]

mod carry;
mod compat;
mod config;
mod examples;
mod files;
mod laws;
mod manifest;
mod phase;
mod schema;
mod upgrade;
mod upgrade_laws;
