//! Builds a port's PID 1 as a static program: it runs in any image, with or without a C library in it.
//! Never builds with the author's paths in it: the same source gives the same bytes, from any directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::say;
use crate::workspace::Workspace;

/// The init to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Init {
    /// The generic one, which runs what `/port/services.json` describes.
    Generic,
    /// A program of the crate in this folder.
    Own {
        /// The folder with its `Cargo.toml`.
        folder: PathBuf,
        /// The program's name.
        program: String,
    },
    /// An example of the sdk, which tests run in images.
    Example(&'static str),
}

impl Init {
    /// The init of the port in `folder`, whose recipe names `program`.
    pub(crate) fn of(folder: &Path, program: Option<&str>) -> Self {
        match program {
            Some(program) => Self::Own { folder: folder.join("init"), program: program.to_owned() },
            None => Self::Generic,
        }
    }

    fn program(&self) -> &str {
        match self {
            Self::Generic => "homeport-init",
            Self::Own { program, .. } => program,
            Self::Example(name) => name,
        }
    }
}

/// Builds the init and returns its bytes.
pub(crate) fn build(workspace: &Workspace, init: &Init) -> Result<Vec<u8>> {
    let triple = host_triple()?;
    let target = workspace.target().join("init");
    say::line(format_args!("init: building `{}` for {triple}, static", init.program()));
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--locked", "--profile", "init", "--target", &triple]);
    command.args([if matches!(init, Init::Example(_)) { "--example" } else { "--bin" }, init.program()]);
    match init {
        // From the workspace: the workspace's lock and profiles hold, whatever directory we were called from.
        Init::Generic | Init::Example(_) => command.args(["--package", "homeport-sdk"]),
        Init::Own { folder, .. } => command.arg("--manifest-path").arg(folder.join("Cargo.toml")),
    };
    let status = command
        .arg("--target-dir")
        .arg(&target)
        .current_dir(workspace.root())
        .env("CARGO_ENCODED_RUSTFLAGS", flags(workspace)?.join("\u{1f}"))
        .env_remove("RUSTFLAGS")
        .stdin(Stdio::null())
        .status()
        .context("cannot run `cargo`")?;
    ensure!(status.success(), "`{}` cannot be built ({status}); cargo says why above", init.program());
    let folder = target.join(&triple).join("init");
    let file = if matches!(init, Init::Example(_)) { folder.join("examples") } else { folder }.join(init.program());
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
    ensure!(is_static(&bytes), "`{}` asks for a dynamic loader: it would not run in every image", file.display());
    Ok(bytes)
}

/// What the compiler is told: a static program at a fixed place, and names in place of this machine's directories.
fn flags(workspace: &Workspace) -> Result<Vec<String>> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let home = home.context("neither CARGO_HOME nor HOME is set")?;
    let mut flags: Vec<String> =
        ["-C", "target-feature=+crt-static", "-C", "relocation-model=static"].map(str::to_owned).to_vec();
    for (from, to) in [(home.as_path(), "/cargo"), (workspace.root(), "/homeport")] {
        let from = from.to_str().with_context(|| format!("`{}` is not UTF-8", from.display()))?;
        flags.push(format!("--remap-path-prefix={from}={to}"));
    }
    Ok(flags)
}

/// The machine that the compiler runs on, and that images are built for.
fn host_triple() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").stdin(Stdio::null()).output().context("cannot run `rustc`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` names no host")
}

/// Whether a 64-bit ELF program has no segment that names a dynamic loader.
fn is_static(file: &[u8]) -> bool {
    const INTERPRETER: [u8; 4] = 3_u32.to_le_bytes();
    let half = |at: usize| file.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes);
    let table = file.get(32..40).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    let (Some(table), Some(size), Some(count)) = (table, half(54), half(56)) else { return false };
    let Ok(table) = usize::try_from(table) else { return false };
    file.starts_with(b"\x7fELF\x02")
        && (0..usize::from(count)).all(|at| {
            let start = table + at * usize::from(size);
            file.get(start..start + 4).is_some_and(|kind| kind != INTERPRETER)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_is_not_taken_for_a_static_one() {
        assert!(!is_static(&std::fs::read("/bin/sh").unwrap()));
        assert!(!is_static(b""));
        assert!(!is_static(b"#!/bin/sh\n"));
    }

    #[test]
    fn this_machine_has_a_triple() {
        assert!(host_triple().unwrap().contains("linux"));
    }
}
