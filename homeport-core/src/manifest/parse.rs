//! Owns the way from a manifest's bytes to a checked manifest, and what can be wrong with the bytes as a whole.
//! Never decides about a single field: `read` and `check` do.

use super::node::Node;
use super::read::{Pointer, Read as _, names_once};
use super::{check, value, wire};
use crate::fault::{Advice, Fault};
use crate::version::{PROTOCOL, ProtocolVersion};

/// The most bytes that a manifest may have: a label carries them, and labels fail at 64 KiB. [spec: MAN-1]
pub const MAX_MANIFEST_BYTES: usize = 48 * 1024;

/// Why bytes are not a manifest.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ManifestError {
    /// More bytes than a manifest may have.
    #[error("the manifest has {found} bytes: wanted at most {MAX_MANIFEST_BYTES}")]
    TooLarge {
        /// How many there are.
        found: usize,
    },
    /// Not a JSON text.
    #[error("the manifest is not JSON: {reason}")]
    NotJson {
        /// What the JSON reader says, with line and column.
        reason: String,
    },
    /// Written for a protocol that this build does not speak. Nothing else was looked at.
    #[error("the port needs protocol `{needs}`: this HomePort speaks `{PROTOCOL}`")]
    Protocol {
        /// The version that the manifest names.
        needs: ProtocolVersion,
    },
    /// Rules are broken: every one of them.
    #[error("the manifest has {}", crate::manifest::parse::count(.0.len()))]
    Faults(
        /// Every broken rule: of shape first, then of meaning. Meaning is not looked at where members are missing or have
        /// the wrong type, since every message about it would be a guess.
        Vec<Fault>,
    ),
}

/// `1 fault` or `n faults`.
pub(crate) fn count(faults: usize) -> String {
    if faults == 1 { "1 fault".to_owned() } else { format!("{faults} faults") }
}

impl Advice for ManifestError {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "HP-MAN-001",
            Self::NotJson { .. } => "HP-MAN-002",
            Self::Protocol { .. } => "HP-MAN-003",
            Self::Faults(_) => "HP-MAN-010",
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::TooLarge { .. } => "move long texts to the port's documentation".to_owned(),
            Self::NotJson { .. } => "manifests are made by `cargo xtask build-port`; rebuild the image".to_owned(),
            Self::Protocol { needs } if *needs < PROTOCOL => {
                format!("use a newer version of the port: protocol {needs} is no longer spoken")
            }
            Self::Protocol { needs } => {
                format!("upgrade HomePort to one that speaks protocol {needs}, or use an older version of the port")
            }
            Self::Faults(_) => "the port's author has to mend the manifest; see spec/manifest.md".to_owned(),
        })
    }

    fn faults(&self) -> &[Fault] {
        if let Self::Faults(faults) = self { faults } else { &[] }
    }
}

/// Reads a manifest. The protocol version is read first and alone, so that a newer document is said to be newer and not
/// to be wrong; then everything else, with every fault at once. [spec: MAN-2, MAN-4, MAN-27]
pub fn parse(bytes: &[u8]) -> Result<value::Manifest, ManifestError> {
    if bytes.len() > MAX_MANIFEST_BYTES {
        return Err(ManifestError::TooLarge { found: bytes.len() });
    }
    let node: Node = serde_json::from_slice(bytes).map_err(|e| ManifestError::NotJson { reason: e.to_string() })?;
    if let Some(needs) = protocol_of(&node)
        && !PROTOCOL.understands(needs)
    {
        return Err(ManifestError::Protocol { needs });
    }
    let mut faults = Vec::new();
    names_once(&node, &Pointer::default(), &mut faults);
    let checked = wire::Manifest::read(&node, &Pointer::default(), &mut faults).map(check::check);
    match checked {
        Some(Ok(manifest)) if faults.is_empty() => return Ok(manifest),
        Some(Err(found)) => faults.extend(found),
        Some(Ok(_)) | None => {}
    }
    Err(ManifestError::Faults(faults))
}

/// The version that a document says it is written for, if it says so in a form that is understood.
fn protocol_of(node: &Node) -> Option<ProtocolVersion> {
    let Node::Object(members) = node else { return None };
    match members.iter().find(|(name, _)| name == "protocol") {
        Some((_, Node::Text(text))) => text.parse().ok(),
        _ => None,
    }
}
