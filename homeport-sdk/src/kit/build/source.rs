//! Reads a port's folder: every file that says something about the image, each checked.
//! Never looks outside of the folder.

use std::fs;
use std::path::{Path, PathBuf};

use homeport_core::manifest::Manifest;

use super::error::BuildError;
use super::lock::Lock;
use super::manifest::{compile_manifest, compile_services};
use super::older;
use super::recipe::Recipe;
use super::rootfs;
use super::tree::Tree;

/// A port's folder, read and checked.
#[derive(Debug)]
pub struct Source {
    /// The folder.
    pub dir: PathBuf,
    /// `port.toml`, or that of an older version, checked.
    pub manifest: Manifest,
    /// The same, compiled: the bytes of `/port/manifest.json` and of the label. [spec: MAN-1]
    pub manifest_bytes: Vec<u8>,
    /// `services.toml`, compiled, for the generic init; absent where the port has an init of its own.
    pub services: Option<Vec<u8>>,
    /// `image.toml`.
    pub recipe: Recipe,
    /// `debs.lock`; absent before the first `--refresh-lock`, and in a port without packages.
    pub lock: Option<Lock>,
    /// `rootfs/`.
    pub(super) rootfs: Tree,
}

impl Source {
    /// Reads a port's folder.
    ///
    /// # Errors
    /// Every fault of the first file that has any: `port.toml`, then `image.toml`, `services.toml`, `debs.lock`, `rootfs/`.
    pub fn read(dir: &Path) -> Result<Self, BuildError> {
        let (manifest, manifest_bytes) = compile_manifest(&read_text(&dir.join("port.toml"))?)?;
        Self::with_manifest(dir, manifest, manifest_bytes)
    }

    /// The names of the older versions that can be built from a port's folder, in order: what stands in `versions/`.
    ///
    /// # Errors
    /// Where the folder cannot be listed.
    pub fn older_versions(dir: &Path) -> Result<Vec<String>, BuildError> {
        older::names(dir)
    }

    /// Reads a port's folder with the manifest of an older version, `versions/NAME/port.toml`; the rest is the same.
    ///
    /// # Errors
    /// As [`Source::read`], and where there is no such version, or its manifest is of another port or not older.
    pub fn read_older(dir: &Path, name: &str) -> Result<Self, BuildError> {
        let there = older::names(dir)?;
        if !there.iter().any(|known| known == name) {
            return Err(BuildError::NoVersion { name: name.to_owned(), there });
        }
        let (newest, _) = compile_manifest(&read_text(&dir.join("port.toml"))?)?;
        let (manifest, manifest_bytes) = compile_manifest(&read_text(&older::manifest_file(dir, name))?)?;
        older::check(name, &manifest, &newest)?;
        Self::with_manifest(dir, manifest, manifest_bytes)
    }

    fn with_manifest(dir: &Path, manifest: Manifest, manifest_bytes: Vec<u8>) -> Result<Self, BuildError> {
        let recipe = Recipe::parse(&read_text(&dir.join("image.toml"))?).map_err(BuildError::Recipe)?;
        let services = optional(&dir.join("services.toml"))?;
        let services = services.map(|text| compile_services(&text).map_err(BuildError::Services)).transpose()?;
        if services.is_none() && recipe.init.is_none() {
            return Err(BuildError::NoInit { dir: dir.to_owned() });
        }
        let lock = optional(&dir.join("debs.lock"))?;
        let lock = lock.map(|text| Lock::parse(&text).map_err(BuildError::Lock)).transpose()?;
        let rootfs = rootfs::read(&dir.join("rootfs"))?;
        Ok(Self { dir: dir.to_owned(), manifest, manifest_bytes, services, recipe, lock, rootfs })
    }

    /// Where the lock of this folder stands.
    pub fn lock_path(&self) -> PathBuf {
        self.dir.join("debs.lock")
    }
}

fn read_text(file: &Path) -> Result<String, BuildError> {
    fs::read_to_string(file).map_err(|source| BuildError::io("read", file, source))
}

fn optional(file: &Path) -> Result<Option<String>, BuildError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(BuildError::io("read", file, source)),
    }
}
