//! Builds a port's image on a base image, with the engine's own builder: for authors who have a registry.
//! Never pulls by itself: the builder does, if the base is not there.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use homeport_sdk::kit::build::{BaseContext, Source, onto_base};

use crate::build_port::{docker, explained};
use crate::say;
use crate::static_build::{self, Init};
use crate::workspace::Workspace;

/// Builds a version of a port on `base`.
pub(crate) fn run(workspace: &Workspace, source: &Source, base: &str) -> Result<()> {
    let dir = &source.dir;
    let file = dir.join("Dockerfile");
    let dockerfile = fs::read_to_string(&file)
        .with_context(|| format!("cannot read `{}`, which says how to install packages on a base", file.display()))?;
    let init = static_build::build(workspace, &Init::of(dir, source.recipe.init.as_deref()))?;
    let BaseContext { files, labels, tag } =
        onto_base(source, &dockerfile, init).map_err(|error| explained(&error, dir))?;
    let context = Context::new(workspace)?;
    for (name, bytes) in files {
        fs::write(context.0.join(name), bytes).with_context(|| format!("cannot write `{name}` for the builder"))?;
    }
    say::line(format_args!("base: building `{tag}` on `{base}`"));
    let mut command = Command::new("docker");
    // The classic builder is in every engine; BuildKit needs a plugin beside newer command lines.
    command.env("DOCKER_BUILDKIT", "0").args(["build", "--tag", &tag, "--build-arg", &format!("BASE={base}")]);
    for (key, value) in &labels {
        command.arg("--label").arg(format!("{key}={value}"));
    }
    let status = command.arg(&context.0).stdin(Stdio::null()).status().context("cannot run `docker`")?;
    ensure!(status.success(), "`docker build` failed ({status}); it says why above");
    let id = docker(&["image", "inspect", "--format", "{{.Id}}", &tag])?;
    say::line(format_args!("image {tag}: {}, on `{base}`", id.trim()));
    Ok(())
}

/// The directory that the builder gets; gone when it is dropped.
struct Context(PathBuf);

impl Context {
    fn new(workspace: &Workspace) -> Result<Self> {
        let dir = workspace.target().join(format!("build-context-{}", std::process::id()));
        fs::create_dir_all(&dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // Only what this run wrote itself; a rest of it does no harm below the target directory.
        let _left = fs::remove_dir_all(&self.0);
    }
}
