//! HomePort's host side: the container engine, the ledger, plans and the operations that run them.

pub mod engine;
pub mod layout;
pub mod ledger;
pub mod oplock;
