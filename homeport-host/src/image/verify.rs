//! Owns the proof that an image keeps the protocol where its label alone can't tell: the file, the entrypoint, what it
//! exposes. An image never changes under its id, so what was proved once is noted and not asked again.
//! Never runs anything of an image.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use homeport_core::entrypoint::{INIT_PATH, LABEL_PROTOCOL, MANIFEST_FILE};
use homeport_core::fault::Fault;
use homeport_core::manifest::MAX_MANIFEST_BYTES;
use homeport_core::unit::Bytes;
use homeport_volumes::check_declared;

use super::PortImage;
use super::error::ImageError;
use crate::engine::{Engine, ImageFacts};

/// The directory of notes: one empty file for each image that was proved, named by the image's id and the rules' version.
#[derive(Debug, Clone)]
pub struct Verified(PathBuf);

/// Goes up when the rules below do, so that images proved by older rules are looked at again.
const RULES: u32 = 2;

impl Verified {
    /// The notes in this directory, which need not exist yet.
    pub fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    fn note(&self, image: &PortImage) -> PathBuf {
        self.0.join(format!("{}.v{RULES}", image.id.hex()))
    }

    fn holds(&self, image: &PortImage) -> bool {
        self.note(image).exists()
    }

    /// Notes that the image was proved. Where there is no state directory yet, or this user may not write to it, nothing is
    /// noted and the image is proved again the next time: looking at an image changes nothing else.
    fn keep(&self, image: &PortImage) -> Result<(), std::io::Error> {
        if !self.0.parent().is_some_and(std::path::Path::is_dir) {
            return Ok(());
        }
        let made = fs::DirBuilder::new().mode(0o700).create(&self.0);
        let made = made.or_else(|error| if self.0.is_dir() { Ok(()) } else { Err(error) });
        match made.and_then(|()| fs::File::create(self.note(image))) {
            Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => Err(error),
            _ => Ok(()),
        }
    }
}

/// Checks everything that can be checked without running the image; every broken rule is said.
pub(super) fn verify(
    engine: &dyn Engine,
    facts: &ImageFacts,
    image: &PortImage,
    verified: &Verified,
) -> Result<(), ImageError> {
    if verified.holds(image) {
        return Ok(());
    }
    let limit = Bytes::new(MAX_MANIFEST_BYTES as u64 * 2);
    let file = engine
        .read_image_file(&image.id, MANIFEST_FILE, limit)
        .map_err(|source| ImageError::Engine { image: image.reference.clone(), source })?;
    let mut faults = rules(facts, image);
    faults.extend(same_manifest(file.as_deref(), image));
    if !faults.is_empty() {
        return Err(ImageError::Contract { image: image.reference.clone(), faults });
    }
    verified.keep(image).map_err(|source| ImageError::Note { image: image.reference.clone(), source })
}

fn same_manifest(file: Option<&[u8]>, image: &PortImage) -> Option<Fault> {
    let fault = |message: String| {
        Fault::new("HP-IMG-010", "image.manifest", message)
            .expected(format!("the same bytes in label and file (the label has {})", image.bytes.len()))
            .clause("MAN-1")
    };
    match file {
        None => Some(fault(format!("the image has no file `{MANIFEST_FILE}`"))),
        Some(file) if file != image.bytes => Some(
            fault(format!("`{MANIFEST_FILE}` and the image's label differ"))
                .actual(format!("a file of {} bytes", file.len())),
        ),
        Some(_) => None,
    }
}

fn rules(facts: &ImageFacts, image: &PortImage) -> Vec<Fault> {
    let mut faults = Vec::new();
    if facts.labels.get(LABEL_PROTOCOL) != Some(image.manifest.protocol.to_string().as_str()) {
        faults.push(
            Fault::new(
                "HP-IMG-011",
                "image.protocol",
                format!("the label `{LABEL_PROTOCOL}` is not the manifest's protocol"),
            )
            .actual(
                facts.labels.get(LABEL_PROTOCOL).map_or_else(|| "no label".to_owned(), |label| format!("`{label}`")),
            )
            .expected(format!("`{}`", image.manifest.protocol))
            .clause("MAN-1"),
        );
    }
    if facts.entrypoint != [INIT_PATH] {
        faults.push(
            Fault::new("HP-IMG-012", "image.entrypoint", "the image does not start with its init")
                .actual(format!("{:?}", facts.entrypoint))
                .expected(format!("[\"{INIT_PATH}\"]"))
                .clause("ENT-1"),
        );
    }
    let volumes = image.manifest.volumes.values().map(|volume| volume.path.as_str());
    let tmpfs = image.manifest.privileges.tmpfs.iter().map(|tmpfs| tmpfs.path.as_str());
    let covered: Vec<&str> = volumes.chain(tmpfs).collect();
    faults.extend(check_declared(&facts.volumes, &covered));
    faults
}

#[cfg(test)]
mod tests {
    use homeport_core::digest::Digest;

    use super::*;
    use crate::engine::Labels;

    const MANIFEST: &[u8] = br#"{"protocol":"1.0","port":{"id":"test","version":"1.0.0","title":"T"},
        "volumes":{"home":{"path":"/data","format":1,"uid":7,"gid":8,"mode":"0700"}},
        "privileges":{"tmpfs":[{"path":"/tmp","size_bytes":65536}]}}"#;

    fn port() -> PortImage {
        let manifest = homeport_core::manifest::parse(MANIFEST).unwrap();
        PortImage { id: Digest::new([1; 32]), reference: "test".to_owned(), manifest, bytes: MANIFEST.to_vec() }
    }

    fn image(volumes: &[&str]) -> ImageFacts {
        ImageFacts {
            id: Digest::new([1; 32]),
            names: Vec::new(),
            labels: Labels::new().with(LABEL_PROTOCOL, "1.0"),
            entrypoint: vec![INIT_PATH.to_owned()],
            command: Vec::new(),
            user: String::new(),
            env: Vec::new(),
            volumes: volumes.iter().map(|path| (*path).to_owned()).collect(),
            exposed: Vec::new(),
            architecture: "amd64".to_owned(),
            size: Bytes::new(0),
        }
    }

    #[test]
    fn each_broken_rule_of_an_image_is_its_own_fault() {
        let shell = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let rows: Vec<(ImageFacts, &[&str])> = vec![
            (image(&[]), &[]),
            (image(&["/data", "/tmp", "/data/"]), &[]),
            (image(&["/data/mail", "/srv"]), &["HP-VOL-014", "HP-VOL-014"]),
            (ImageFacts { labels: Labels::new(), ..image(&[]) }, &["HP-IMG-011"]),
            (ImageFacts { labels: Labels::new().with(LABEL_PROTOCOL, "1.1"), ..image(&[]) }, &["HP-IMG-011"]),
            (ImageFacts { entrypoint: shell(&["/bin/sh", INIT_PATH]), ..image(&[]) }, &["HP-IMG-012"]),
            (ImageFacts { command: shell(&["run"]), ..image(&[]) }, &[]),
            (
                ImageFacts { labels: Labels::new(), entrypoint: shell(&[]), ..image(&["/srv"]) },
                &["HP-IMG-011", "HP-IMG-012", "HP-VOL-014"],
            ),
        ];
        for (facts, wanted) in rows {
            let codes: Vec<_> = rules(&facts, &port()).iter().map(|fault| fault.code).collect();
            assert_eq!(codes, wanted, "{facts:?}");
        }
    }

    #[test]
    fn label_and_file_are_the_same_bytes() {
        let code = |file: Option<&[u8]>| same_manifest(file, &port()).map(|fault| fault.code);
        assert_eq!(code(Some(MANIFEST)), None);
        assert_eq!(code(None), Some("HP-IMG-010"));
        assert_eq!(code(Some(b"{}")), Some("HP-IMG-010"));
    }
}
