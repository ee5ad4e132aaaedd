//! Runs the real generic init in namespaces of its own: once for each promise of `spec/entrypoint.md`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod children;
mod migrating;
mod phases;
mod running;
mod stopping;
mod world;
