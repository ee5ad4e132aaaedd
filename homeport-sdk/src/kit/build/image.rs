//! Owns an image as a value: its layers, its configuration, its id.
//! Never speaks to an engine: the archive that it writes is what an engine loads.

use std::collections::BTreeMap;
use std::io::{self, Write};

use homeport_core::digest::Digest;
use homeport_core::manifest::Manifest;
use homeport_core::unit::Bytes;
use serde::Serialize;

use super::archive;
use super::date::Date;
use super::lock::Sha256;

/// An image: the same inputs give the same value, and so the same id and the same archive. [spec: ENT-1]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    config: Vec<u8>,
    layers: Vec<(LayerSummary, Vec<u8>)>,
    tag: String,
    date: Date,
}

/// What a layer is, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSummary {
    /// What it holds: `packages`, `port` or `init`.
    pub name: &'static str,
    /// The digest of its tar.
    pub digest: Digest,
    /// The size of its tar.
    pub size: Bytes,
}

/// The image configuration, with the fields in the order of the OCI image specification.
#[derive(Serialize)]
struct Document<'a> {
    created: String,
    architecture: &'a str,
    os: &'static str,
    config: Execution<'a>,
    rootfs: RootFs,
    history: Vec<History>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Execution<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exposed_ports: BTreeMap<String, Empty>,
    env: [&'static str; 1],
    entrypoint: [&'static str; 1],
    cmd: [&'static str; 1],
    working_dir: &'static str,
    labels: &'a BTreeMap<String, String>,
    stop_signal: &'static str,
}

/// An object without members, as the specification wants it for a port that is listed.
type Empty = serde_json::Map<String, serde_json::Value>;

#[derive(Serialize)]
struct RootFs {
    r#type: &'static str,
    diff_ids: Vec<Digest>,
}

#[derive(Serialize)]
struct History {
    created: String,
    created_by: String,
}

impl Image {
    /// Makes an image of these layers, the lowest first.
    pub(super) fn new(
        manifest: &Manifest,
        manifest_bytes: &[u8],
        architecture: &str,
        layers: Vec<(&'static str, Vec<u8>)>,
        date: Date,
    ) -> Result<Self, serde_json::Error> {
        let layers: Vec<(LayerSummary, Vec<u8>)> = layers
            .into_iter()
            .map(|(name, tar)| {
                let size = Bytes::new(tar.len() as u64);
                (LayerSummary { name, digest: Sha256::of(&tar).digest(), size }, tar)
            })
            .collect();
        let labels = labels(manifest, manifest_bytes);
        let created = date.timestamp();
        let config = Document {
            created: created.clone(),
            architecture,
            os: "linux",
            config: Execution {
                exposed_ports: exposed_ports(manifest),
                env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                entrypoint: ["/port/init"],
                cmd: ["run"],
                working_dir: "/",
                labels: &labels,
                stop_signal: "SIGTERM",
            },
            rootfs: RootFs { r#type: "layers", diff_ids: layers.iter().map(|(layer, _)| layer.digest).collect() },
            history: layers
                .iter()
                .map(|(layer, _)| History { created: created.clone(), created_by: format!("homeport: {}", layer.name) })
                .collect(),
        };
        let config = serde_json::to_vec(&config)?;
        Ok(Self { config, layers, tag: tag(manifest), date })
    }

    /// The image's id: the sha256 of its configuration, the same in every engine.
    pub fn id(&self) -> Digest {
        Sha256::of(&self.config).digest()
    }

    /// The name under which engines load it: `homeport/<port>:<version>`.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The layers, the lowest first.
    pub fn layers(&self) -> impl Iterator<Item = &LayerSummary> {
        self.layers.iter().map(|(layer, _)| layer)
    }

    /// The tar of each layer, the lowest first.
    pub fn layer_tars(&self) -> impl Iterator<Item = &[u8]> {
        self.layers.iter().map(|(_, tar)| tar.as_slice())
    }

    /// The image configuration: the bytes whose sha256 is the image's id.
    pub fn config(&self) -> &[u8] {
        &self.config
    }

    /// Writes the archive that Docker 20.10 and newer and Podman load, the same bytes each time.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        archive::write(self, self.date, out)
    }
}

/// The name under which engines know a port's image. Build metadata is left out: a tag cannot hold its `+`.
pub(super) fn tag(manifest: &Manifest) -> String {
    let version = manifest.port.version.to_string();
    format!("homeport/{}:{}", manifest.port.id, version.replace('+', "_"))
}

/// The labels of a port's image: the manifest, byte for byte, and what registries show. [spec: MAN-1]
pub(super) fn labels(manifest: &Manifest, manifest_bytes: &[u8]) -> BTreeMap<String, String> {
    let port = &manifest.port;
    let open = |key: &str| format!("org.opencontainers.image.{key}");
    let mut labels = BTreeMap::from([
        ("io.homeport.manifest".to_owned(), String::from_utf8_lossy(manifest_bytes).into_owned()),
        ("io.homeport.protocol".to_owned(), manifest.protocol.to_string()),
        (open("title"), port.title.clone()),
        (open("version"), port.version.to_string()),
    ]);
    let authors = port.authors.join(", ");
    let optional =
        [("description", &port.summary), ("licenses", &port.license), ("source", &port.source), ("authors", &authors)];
    let said = optional.into_iter().filter(|(_, value)| !value.is_empty());
    labels.extend(said.map(|(key, value)| (open(key), value.clone())));
    labels
}

/// The declared endpoints, as an image lists what its containers listen on.
fn exposed_ports(manifest: &Manifest) -> BTreeMap<String, Empty> {
    let name = |endpoint: &homeport_core::manifest::Endpoint| {
        let transport = match endpoint.transport {
            homeport_core::manifest::Transport::Tcp => "tcp",
            homeport_core::manifest::Transport::Udp => "udp",
        };
        format!("{}/{transport}", endpoint.port)
    };
    manifest.endpoints.values().map(|endpoint| (name(endpoint), Empty::new())).collect()
}
