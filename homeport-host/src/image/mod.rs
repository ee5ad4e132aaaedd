//! A port as the engine holds it: the image, its manifest and the proof that label and file agree.
//! Never runs anything of an image.

mod error;
mod find;
mod verify;

pub use error::ImageError;
pub use find::{find, passed_over};
pub use verify::Verified;

use homeport_core::digest::Digest;
use homeport_core::manifest::Manifest;

/// A port that can be deployed: its manifest is checked, and is the same in the image's label and file. [spec: MAN-1]
#[derive(Debug, Clone)]
pub struct PortImage {
    /// The image's id: what containers are made from, never a name that can be moved.
    pub id: Digest,
    /// The name under which it was found, for people.
    pub reference: String,
    /// The manifest.
    pub manifest: Manifest,
    /// The manifest's bytes, as label and file have them.
    pub bytes: Vec<u8>,
}
