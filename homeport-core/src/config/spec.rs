//! Owns a declared configuration key: its type, whether it must be given, and how a change takes effect.
//! Never holds a value that an operator gave.

use crate::name::ConfigKey;

use super::kind::Kind;
use super::value::Value;

/// Whether a key must have a value. [spec: MAN-7]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// It need not.
    Optional,
}

/// Whether a key's value may be shown. [spec: MAN-10]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// It may.
    Open,
    /// It never is: not in messages, `inspect`, labels, logs or process lists.
    Secret,
}

/// What it takes for a changed value to take effect. [spec: MAN-8]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// The running port takes it over.
    Live,
    /// The port is started again.
    Restart,
}

/// Says that a key is on its way out. [spec: MAN-9]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deprecation {
    /// The version that deprecated it.
    pub since: semver::Version,
    /// The key to use instead.
    pub instead: Option<ConfigKey>,
    /// The version in which it is gone.
    pub remove_in: Option<semver::Version>,
}

/// A declared key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeySpec {
    /// The type of its value, with constraints.
    pub kind: Kind,
    /// Whether it must have a value.
    pub need: Need,
    /// Whether its value may be shown.
    pub secrecy: Secrecy,
    /// The value where none is given; the kind accepts it.
    pub default: Option<Value>,
    /// A value for documents and tests; the kind accepts it.
    pub example: Option<Value>,
    /// What it takes for a change to take effect.
    pub reload: Reload,
    /// The environment variable in which services get the value.
    pub env: Option<String>,
    /// The version in which the key first stood.
    pub since: Option<semver::Version>,
    /// Set where the key is on its way out.
    pub deprecated: Option<Deprecation>,
    /// One sentence; may be empty.
    pub summary: String,
}
