//! The manifest as it is written: names, types, bounds and nothing more. The JSON Schema is made from these types.
//! Never holds a rule that needs two fields: those are in `check`.

mod document;
mod endpoint;
mod key;
mod privilege;
mod running;
mod volume;
mod work;

pub use document::{Manifest, Port};
pub use endpoint::{Endpoint, Exposure, HttpProbe, ProxyProtocol, Tls, Transport};
pub use key::{Deprecated, Key, KeyType, ReloadKind};
pub use privilege::{Privileges, Tmpfs};
pub use running::{Health, LogFormat, Logs, Reload, Resources, Stop, Upgrade};
pub use volume::{Access, Backup, Class, Migration, Volume, Writes};
pub use work::{Command, Hooks, Overlap, Schedule, Service, When};
