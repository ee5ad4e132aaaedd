//! The port protocol of HomePort as values and rules: manifest, configuration, entrypoint, versions,
//! upgrades and faults.
//!
//! This crate does no IO: it reads no file, no clock and no environment. Bytes, `now`, paths and limits come in as
//! arguments; what comes out are values. Everything else in HomePort, PID 1 of a port included, is built on it.
//!
//! The documents of the contract, and where they stand here:
//!
//! | document | here |
//! |---|---|
//! | what a port says of itself | [`manifest`] |
//! | what values its keys take | [`config`] |
//! | what host and init tell each other | [`entrypoint`] |
//! | which version speaks to which | [`version`] |
//! | what changes between two versions of a port | [`upgrade`] |
//! | what is wrong, and what to do | [`fault`] |
//!
//! A manifest is read whole or not at all, with every fault at once:
//!
//! ```
//! let bytes = br#"{
//!     "protocol": "1.0",
//!     "port": { "id": "hello", "version": "1.0.0", "title": "Says hello" },
//!     "volumes": { "home": { "path": "/home/user", "format": 1, "uid": 1000, "gid": 1000, "mode": "0700" } }
//! }"#;
//! let manifest = homeport_core::manifest::parse(bytes)?;
//! assert_eq!(manifest.port.id.as_str(), "hello");
//! # Ok::<(), homeport_core::manifest::ManifestError>(())
//! ```

pub mod config;
pub mod datagram_table;
pub mod digest;
pub mod entrypoint;
pub mod fault;
pub mod manifest;
pub mod name;
pub mod text;
pub mod unit;
pub mod upgrade;
pub mod version;
