//! Owns the port that is cut off: notes, in two versions, in images of 2 MB. Its init is the example with two formats.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::fixture::{TestImage, static_program, write, write_archive};
use crate::world::docker;

/// What of the port's volume two versions may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Variant {
    /// Only one may have it, and its format changes.
    Alone,
    /// Both may have it at once, and its format stays.
    Beside,
    /// Both may have it at once, and its format changes.
    Moved,
}

/// Which of the two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Age {
    Older,
    Newer,
}

impl Variant {
    pub(super) const ALL: [Self; 3] = [Self::Alone, Self::Beside, Self::Moved];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Beside => "beside",
            Self::Moved => "moved",
        }
    }

    /// The format that a version's data has.
    pub(super) const fn format(self, age: Age) -> u64 {
        match (self, age) {
            (Self::Alone | Self::Moved, Age::Newer) => 2,
            _ => 1,
        }
    }

    /// Whether both versions run for a while.
    pub(super) const fn overlaps(self) -> bool {
        matches!(self, Self::Beside | Self::Moved)
    }

    fn manifest(self, id: &str, age: Age) -> String {
        let (version, format) = (age.version(), self.format(age));
        let access = if self.overlaps() { "shared" } else { "exclusive" };
        let migration = "[[migrations]]\nvolume = \"data\"\nfrom = 1\nto = 2\ndown = true\nmax_seconds = 60\n";
        let migration = if format == 2 { migration } else { "" };
        format!(
            r#"protocol = "1.0"

[port]
id = "{id}"
version = "{version}"
title = "Notes for tests"

[volumes.data]
path = "/data"
access = "{access}"
format = {format}
min_format = {format}
uid = 0
gid = 0
mode = "0700"

{migration}
[endpoints.notes]
port = 7070
protocol = "notes"
exposure = "public"
default_public = "random"

[services.main]
uid = 0

[health]
ready_seconds = 20

[stop]
timeout_seconds = 3
"#
        )
    }
}

impl Age {
    pub(super) const fn version(self) -> &'static str {
        match self {
            Self::Older => "1.0.0",
            Self::Newer => "1.1.0",
        }
    }

    pub(super) fn of(version: &str) -> Self {
        match version {
            "1.0.0" => Self::Older,
            "1.1.0" => Self::Newer,
            other => panic!("no version of the test's port: `{other}`"),
        }
    }

    /// What a note is called on the disk, and what stands in it.
    pub(super) fn note(format: u64, name: &str, text: &str) -> (String, Vec<u8>) {
        match format {
            1 => (format!("{name}.txt"), text.as_bytes().to_vec()),
            _ => (format!("{name}.json"), serde_json::Value::from(text).to_string().into_bytes()),
        }
    }
}

/// The port's images as archives, for any engine.
pub(super) struct Archives {
    _dir: tempfile::TempDir,
    files: BTreeMap<(Variant, Age), (String, PathBuf)>,
}

impl Archives {
    /// Builds them under ids of one test.
    pub(super) fn build(test: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let init = static_program("examples/two-formats");
        let mut files = BTreeMap::new();
        for variant in Variant::ALL {
            for age in [Age::Older, Age::Newer] {
                let folder = dir.path().join(format!("{}-{}", variant.word(), age.version()));
                std::fs::create_dir(&folder).unwrap();
                let id = format!("t-{test}-{}", variant.word());
                write(&folder, "port.toml", &variant.manifest(&id, age));
                write(&folder, "image.toml", "format = 1\ninit = \"two-formats\"\n");
                let archive = folder.join("image.tar");
                let name = write_archive(&folder, init.clone(), &archive);
                files.insert((variant, age), (name, archive));
            }
        }
        Self { _dir: dir, files }
    }

    /// Loads them into the machine's engine, where they stay until what is returned is dropped.
    pub(super) fn load(&self) -> Vec<TestImage> {
        let load = |(name, archive): &(String, PathBuf)| {
            docker(&["load", "--quiet", "--input", archive.to_str().unwrap()]);
            TestImage { name: name.clone() }
        };
        self.files.values().map(load).collect()
    }

    /// Loads them into the engine that listens on `socket`.
    pub(super) fn load_into(&self, socket: &Path) {
        for (_, archive) in self.files.values() {
            let host = format!("unix://{}", socket.display());
            docker(&["--host", &host, "load", "--quiet", "--input", archive.to_str().unwrap()]);
        }
    }

    pub(super) fn name(&self, variant: Variant, age: Age) -> &str {
        &self.files[&(variant, age)].0
    }
}
