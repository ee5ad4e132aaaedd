//! Owns where the workspace and what is built from it stand.
//! Never made from the current directory: tasks work from anywhere below the workspace.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The workspace that this task was built from.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Finds the workspace: the directory above this crate's own.
    pub(crate) fn find() -> Result<Self> {
        let own =
            std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = own.parent().context("xtask stands in no workspace")?;
        let root = root.canonicalize().with_context(|| format!("cannot find `{}`", root.display()))?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let target = std::path::absolute(&target).with_context(|| format!("cannot use `{}`", target.display()))?;
        Ok(Self { root, target })
    }

    /// The workspace's directory, absolute and without symlinks.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where builds go.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Where package files are kept between builds: `HOMEPORT_DEB_CACHE`, else below the target directory.
    pub(crate) fn deb_cache(&self) -> PathBuf {
        std::env::var_os("HOMEPORT_DEB_CACHE").map_or_else(|| self.target.join("debs"), PathBuf::from)
    }
}
