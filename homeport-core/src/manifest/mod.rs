//! The manifest: what a port says of itself, `/port/manifest.json`.
//!
//! Bytes become a wire type ([`wire::Manifest`], also the source of the JSON Schema), which becomes a [`Manifest`] that
//! keeps every rule. Never reads a file: the bytes come in.

mod bound;
mod check;
mod check_chain;
mod check_config;
mod check_endpoint;
mod check_privilege;
mod check_work;
mod declare;
mod node;
mod parse;
mod read;
#[cfg(feature = "schema")]
mod schema;
mod shape;
mod value;
pub mod wire;

pub use parse::{MAX_MANIFEST_BYTES, ManifestError, parse};
#[cfg(feature = "schema")]
pub use schema::schema;
pub use value::{
    Access, Backup, Class, Command, Criticality, DefaultPublic, Endpoint, Exposure, Hooks, LogFormat, Manifest,
    Migration, Overlap, Port, Privileges, ProxyProtocol, Resources, Reversible, RootFs, Schedule, Service, Tls, Tmpfs,
    Transport, Volume, When, Writes,
};
