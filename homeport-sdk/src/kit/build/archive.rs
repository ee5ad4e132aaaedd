//! Writes an image as one tar that every engine loads: the OCI layout and Docker's own index over the same blobs.
//! Never compresses: Podman does not load a compressed archive, and the engine unpacks it at once anyway.

use std::collections::BTreeMap;
use std::io::{self, Write};

use homeport_core::digest::Digest;
use serde::Serialize;

use super::date::Date;
use super::image::Image;
use super::lock::Sha256;

/// The media types of the blobs, by what they are.
#[derive(Clone, Copy)]
enum MediaType {
    /// The image configuration.
    Config,
    /// The list of configuration and layers.
    Manifest,
    /// A layer, not compressed.
    Layer,
}

impl MediaType {
    /// The media type as the OCI image specification names it.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "application/vnd.oci.image.config.v1+json",
            Self::Manifest => "application/vnd.oci.image.manifest.v1+json",
            Self::Layer => "application/vnd.oci.image.layer.v1.tar",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: Digest,
    size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OciManifest {
    schema_version: u8,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OciIndex {
    schema_version: u8,
    manifests: [Descriptor; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry<'a> {
    config: String,
    repo_tags: [&'a str; 1],
    layers: Vec<String>,
}

fn descriptor(kind: MediaType, bytes: &[u8]) -> Descriptor {
    let digest = Sha256::of(bytes).digest();
    Descriptor { media_type: kind.as_str(), digest, size: bytes.len() as u64, annotations: BTreeMap::new() }
}

fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Writes the archive, its members in the order of their names.
pub(super) fn write(image: &Image, date: Date, out: impl Write) -> io::Result<()> {
    let layers: Vec<Descriptor> = image.layer_tars().map(|tar| descriptor(MediaType::Layer, tar)).collect();
    let docker = [DockerEntry {
        config: blob(&image.id()),
        repo_tags: [image.tag()],
        layers: layers.iter().map(|layer| blob(&layer.digest)).collect(),
    }];
    let config = descriptor(MediaType::Config, image.config());
    let manifest = OciManifest { schema_version: 2, media_type: MediaType::Manifest.as_str(), config, layers };
    let manifest = serde_json::to_vec(&manifest)?;
    let mut entry = descriptor(MediaType::Manifest, &manifest);
    let version = image.tag().rsplit(':').next().unwrap_or_default().to_owned();
    entry.annotations.insert("io.containerd.image.name", format!("docker.io/{}", image.tag()));
    entry.annotations.insert("org.opencontainers.image.ref.name", version);
    let manifest_blob = blob(&entry.digest);
    let index = serde_json::to_vec(&OciIndex { schema_version: 2, manifests: [entry] })?;
    let docker = serde_json::to_vec(&docker)?;

    let mut members: BTreeMap<String, &[u8]> = BTreeMap::from([
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.as_slice()),
        ("index.json".to_owned(), index.as_slice()),
        ("manifest.json".to_owned(), docker.as_slice()),
        (manifest_blob, manifest.as_slice()),
        (blob(&image.id()), image.config()),
    ]);
    members.extend(image.layer_tars().map(|tar| (blob(&Sha256::of(tar).digest()), tar)));
    let mut builder = tar::Builder::new(out);
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_mtime(date.seconds());
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, bytes)?;
    }
    builder.into_inner()?.flush()
}
