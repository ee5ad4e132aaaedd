//! Owns why an image cannot be deployed as a port. Never decides anything.

use homeport_core::fault::{Advice, Fault};
use homeport_core::manifest::ManifestError;
use homeport_core::name::PortId;

use crate::engine::EngineError;

/// Why an image cannot be deployed as a port.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The engine holds no image of this port.
    #[error("the engine holds no image of port `{port}`")]
    PortMissing {
        /// What was asked for.
        port: String,
    },
    /// The engine does not hold this image.
    #[error("the engine does not hold image `{image}`")]
    Missing {
        /// What was asked for.
        image: String,
    },
    /// There are versions of the port, and none that will do.
    #[error("no version of port `{port}` will do: found {found}, wanted {wanted}")]
    NoVersion {
        /// What was asked for.
        port: String,
        /// The versions that are there.
        found: String,
        /// The range that was asked for.
        wanted: String,
    },
    /// Several images have the version, and nothing says which one is meant.
    #[error("version {version} of port `{port}` is that of {} images: {}", .images.len(), .images.join("; "))]
    Ambiguous {
        /// The port.
        port: PortId,
        /// The version that they all have.
        version: semver::Version,
        /// Each with what names it on a command line.
        images: Vec<String>,
    },
    /// The image has no manifest label: it is no port.
    #[error("image `{image}` is not a port: it has no label `{label}`")]
    NoManifest {
        /// The image.
        image: String,
        /// The label that is missing.
        label: &'static str,
    },
    /// The label is not a manifest that this build understands.
    #[error("image `{image}` has a manifest that cannot be used")]
    Manifest {
        /// The image.
        image: String,
        /// What is wrong with it.
        #[source]
        source: ManifestError,
    },
    /// Label and file differ, or another part of the image breaks the contract.
    #[error("image `{image}` breaks the port protocol")]
    Contract {
        /// The image.
        image: String,
        /// Every broken rule.
        faults: Vec<Fault>,
    },
    /// The engine did not answer.
    #[error("failed to look at image `{image}`")]
    Engine {
        /// The image or port.
        image: String,
        /// Why.
        #[source]
        source: EngineError,
    },
    /// What was found out about an image could not be kept.
    #[error("failed to note that image `{image}` was checked")]
    Note {
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Advice for ImageError {
    fn code(&self) -> &'static str {
        match self {
            Self::PortMissing { .. } => "HP-IMG-001",
            Self::Missing { .. } => "HP-IMG-002",
            Self::NoVersion { .. } => "HP-IMG-003",
            Self::Ambiguous { .. } => "HP-IMG-007",
            Self::NoManifest { .. } => "HP-IMG-004",
            Self::Manifest { source, .. } => source.code(),
            Self::Contract { .. } => "HP-IMG-005",
            Self::Engine { source, .. } => source.code(),
            Self::Note { .. } => "HP-IMG-006",
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::PortMissing { port } => Some(format!(
                "build it (`cargo xtask build-port ports/{port}`) or load it (`docker load`), then deploy again"
            )),
            Self::Missing { image } => Some(format!(
                "look for it with `docker images`, or get it with `docker pull {image}`, then deploy again"
            )),
            Self::NoVersion { .. } => Some("name one of those, or build or load the version that you want".to_owned()),
            Self::Ambiguous { .. } => Some(
                "say which one: `homeport upgrade NAME --to IMAGE`, or IMAGE in the place of the port; `docker image rm` takes \
                 away one that is not needed"
                    .to_owned(),
            ),
            Self::NoManifest { .. } => Some("deploy a port; spec/manifest.md says how an image becomes one".to_owned()),
            Self::Manifest { source, .. } => source.help(),
            Self::Contract { .. } => Some("the image was changed after it was built: rebuild it".to_owned()),
            Self::Engine { source, .. } => source.help(),
            Self::Note { .. } => Some("make room in HomePort's state directory".to_owned()),
        }
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Contract { faults, .. } => faults,
            Self::Manifest { source, .. } => source.faults(),
            _ => &[],
        }
    }
}
