//! HomePort's host side: the container engine, the ledger, plans and the operations that run them.

pub mod accelerator;
pub mod approval;
pub mod container;
pub mod daemon;
pub mod engine;
pub mod hazard;
mod host;
pub mod image;
pub mod layout;
pub mod ledger;
#[cfg(test)]
mod namespace;
mod notify;
pub mod operation;
pub mod oplock;
pub mod plan;
pub mod probe;
pub mod progress;
pub mod request;
pub mod routes;
pub mod run;
pub mod rundir;
mod store;
mod taking;
pub mod way_back;

pub use host::{Clock, Host, Probing, SystemClock};
