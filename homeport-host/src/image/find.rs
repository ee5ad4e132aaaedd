//! Owns which image a person means. Never pulls: what runs is what the engine holds.

use homeport_core::entrypoint::{LABEL_MANIFEST, LABEL_PROTOCOL};
use homeport_core::manifest::{self, ManifestError};
use homeport_core::name::PortId;
use homeport_core::version::{PROTOCOL, ProtocolVersion};

use super::error::ImageError;
use super::verify::Verified;
use super::{PortImage, verify};
use crate::engine::{Engine, ImageFacts, ImageName, LabelFilter};
use crate::request::PortRef;

/// Finds the image of a port and checks that it keeps the protocol, without running it.
///
/// By id it is the highest version that will do of all images whose manifest names the port; pre-releases only where the
/// range names one. Of several images with that version it is the one with the port's own name, else one with a name; where
/// that leaves more than one, none is taken. By image it is that image, and the range has to fit.
pub fn find(
    engine: &dyn Engine,
    port: &PortRef,
    version: Option<&semver::VersionReq>,
    verified: &Verified,
) -> Result<PortImage, ImageError> {
    let named = port.to_string();
    let ask = |source| ImageError::Engine { image: named.clone(), source };
    let image = match port {
        PortRef::Image(image) => {
            let facts = engine.image(image).map_err(ask)?;
            read(facts.ok_or_else(|| ImageError::Missing { image: named.clone() })?, Some(&named))?
        }
        PortRef::Id(id) => {
            let all = engine.images(&LabelFilter::any().key(LABEL_MANIFEST)).map_err(ask)?;
            newest(all, id, version)?
        }
    };
    if let Some(wanted) = version
        && !wanted.matches(&image.port.manifest.port.version)
    {
        let found = image.port.manifest.port.version.to_string();
        return Err(ImageError::NoVersion { port: named, found, wanted: wanted.to_string() });
    }
    verify::verify(engine, &image.facts, &image.port, verified)?;
    Ok(image.port)
}

/// The images that bear the port's own name and cannot be read, each with why: versions that a search by the port's id has
/// passed over.
pub fn passed_over(engine: &dyn Engine, id: &PortId) -> Result<Vec<ImageError>, ImageError> {
    let all = engine.images(&LabelFilter::any().key(LABEL_MANIFEST));
    let all = all.map_err(|source| ImageError::Engine { image: id.to_string(), source })?;
    let unread = |facts: ImageFacts| {
        let name = named_after(&facts, id)?.to_owned();
        read(facts, Some(&name)).err()
    };
    Ok(all.into_iter().filter_map(unread).collect())
}

/// The name of the image that is the port's own, if it bears one.
fn named_after<'a>(facts: &'a ImageFacts, id: &PortId) -> Option<&'a str> {
    let own = format!("homeport/{id}");
    facts.names.iter().map(ImageName::as_str).find(|name| repository(name) == own)
}

/// An image that was read and not yet verified.
struct Candidate {
    facts: ImageFacts,
    port: PortImage,
}

fn newest(all: Vec<ImageFacts>, id: &PortId, version: Option<&semver::VersionReq>) -> Result<Candidate, ImageError> {
    let mut named: Vec<Candidate> = Vec::new();
    let mut broken = None;
    for facts in all {
        // An image is of this port if its name says so, so that a broken manifest is said and not passed over.
        let by_name = named_after(&facts, id).is_some();
        match read(facts, None) {
            Ok(candidate) if candidate.port.manifest.port.id == *id => named.push(candidate),
            Ok(_) => {}
            Err(error) => broken = broken.or(by_name.then_some(error)),
        }
    }
    let versions = |of: &[Candidate]| -> String {
        let mut found: Vec<_> = of.iter().map(|candidate| candidate.port.manifest.port.version.clone()).collect();
        found.sort();
        found.dedup();
        found.iter().map(|version| format!("`{version}`")).collect::<Vec<_>>().join(", ")
    };
    let found = versions(&named);
    let has_any = !named.is_empty();
    named.retain(|candidate| match version {
        Some(wanted) => wanted.matches(&candidate.port.manifest.port.version),
        None => candidate.port.manifest.port.version.pre.is_empty(),
    });
    match (meant(named, id)?, broken) {
        (Some(candidate), _) => Ok(candidate),
        (None, Some(error)) => Err(error),
        (None, None) if has_any => Err(ImageError::NoVersion {
            port: id.to_string(),
            found,
            wanted: version
                .map_or_else(|| "a release (name pre-releases with `--version`)".to_owned(), |v| format!("`{v}`")),
        }),
        (None, None) => Err(ImageError::PortMissing { port: id.to_string() }),
    }
}

/// How likely an image is the one that is meant of several with one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// It has no name: it may be left over from a build.
    Nameless,
    /// Somebody gave it a name.
    Named,
    /// It has the port's own name, with this version.
    Own,
}

impl Candidate {
    fn standing(&self, id: &PortId) -> Standing {
        let own = format!("homeport/{id}:{}", self.port.manifest.port.version);
        match &*self.facts.names {
            [] => Standing::Nameless,
            names if names.iter().any(|name| name.as_str() == own) => Standing::Own,
            _ => Standing::Named,
        }
    }

    /// What names it on a command line: its names with the beginning of its id, or its whole id.
    fn words(&self) -> String {
        let names: Vec<String> = self.facts.names.iter().map(|name| format!("`{name}`")).collect();
        if names.is_empty() {
            return format!("`{}`, which has no name", self.facts.id);
        }
        format!("{} ({})", names.join(", "), self.facts.id.short())
    }
}

/// The image of the highest version; `None` where there is none. Of several with that version it is the one that stands out by
/// its name, and where none does, nobody guesses: which one it is has to be said.
fn meant(mut named: Vec<Candidate>, id: &PortId) -> Result<Option<Candidate>, ImageError> {
    let rank = |candidate: &Candidate| (candidate.port.manifest.port.version.clone(), candidate.standing(id));
    let Some(highest) = named.iter().map(rank).max() else { return Ok(None) };
    named.retain(|candidate| rank(candidate) == highest);
    if named.len() > 1 {
        let mut images: Vec<String> = named.iter().map(Candidate::words).collect();
        images.sort();
        return Err(ImageError::Ambiguous { port: id.clone(), version: highest.0, images });
    }
    Ok(named.pop())
}

/// The part of an image's name before its tag.
fn repository(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

fn read(facts: ImageFacts, named: Option<&str>) -> Result<Candidate, ImageError> {
    let reference = named.map_or_else(
        || facts.names.first().map_or_else(|| facts.id.to_string(), |name| name.as_str().to_owned()),
        str::to_owned,
    );
    let protocol = facts.labels.get(LABEL_PROTOCOL).and_then(|text| text.parse::<ProtocolVersion>().ok());
    if let Some(needs) = protocol
        && !PROTOCOL.understands(needs)
    {
        return Err(ImageError::Manifest { image: reference, source: ManifestError::Protocol { needs } });
    }
    let Some(label) = facts.labels.get(LABEL_MANIFEST) else {
        return Err(ImageError::NoManifest { image: reference, label: LABEL_MANIFEST });
    };
    let bytes = label.as_bytes().to_vec();
    match manifest::parse(&bytes) {
        Ok(manifest) => {
            let port = PortImage { id: facts.id, reference, manifest, bytes };
            Ok(Candidate { facts, port })
        }
        Err(source) => Err(ImageError::Manifest { image: reference, source }),
    }
}
