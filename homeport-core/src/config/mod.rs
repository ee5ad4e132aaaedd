//! Configuration: what keys a port declares, what values they take, and the effective values of an instance.
//!
//! Text from a command line or a stored value becomes a [`Value`] that its [`KeySpec`] accepts; all given values
//! together become [`Effective`]. Never stores anything and never shows a secret.

mod effective;
mod given;
mod kind;
mod read;
mod spec;
mod value;

pub use effective::{Effective, effective};
pub use given::{Given, Source, beside_given, parse_given};
pub use kind::{Kind, Limits, Pattern};
pub use spec::{Deprecation, KeySpec, Need, Reload, Secrecy};
pub use value::Value;
