//! Commands: each turns its arguments into one host call, and what that returns into a result.

mod config;
mod consent;
mod daemon;
mod deploy;
mod dispatch;
mod exec;
mod history;
mod lifecycle;
mod list;
mod logs;
mod offline;
mod port;
mod remove;
mod repair;
mod route;
mod schedule;
mod snapshot;
mod status;
mod trash;
mod values;
mod version;
mod volume;

pub(crate) use dispatch::run;
