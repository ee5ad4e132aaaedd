//! Real stores in real directories: what goes in comes out, and whatever happens to the disk is noticed. Root only;
//! nothing is ever skipped.

#![expect(clippy::unwrap_used, reason = "a test whose stand cannot be set up has failed")]

mod alike;
mod collect;
mod crash;
#[path = "../support/forged.rs"]
mod forged;
mod life;
mod refused;
mod rot;
mod stand;
