//! Runs every check of this repository, in an order that fails early. `.ci/run` calls it; so can you.
//! Never skips one: what a check needs is installed first.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::failures::Failures;
use crate::leftovers::Snapshot;
use crate::workspace::Workspace;
use crate::{build_port, run, say, schema, seeded, setup, static_build, tidy, torture};

/// Runs every check; stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::find()?;
    let begun = Instant::now();
    check("setup", setup::run)?;
    check("format", || run::pass(run::cargo().args(["fmt", "--all", "--check"]).current_dir(workspace.root())))?;
    check("tidy", tidy::run)?;
    check("seeded faults", seeded::check)?;
    check("schema", || schema::run(schema::Mode::Check))?;
    check("clippy", || clippy(&workspace))?;
    check("rustdoc", || rustdoc(&workspace))?;
    check("static init", || static_build::build(&workspace, &static_build::Init::Generic).map(drop))?;
    check("static ports for tests", || {
        torture::PORTS.iter().try_for_each(|port| static_build::build(&workspace, port).map(drop))
    })?;
    check("build the shell port", || build_port::every_version(&workspace, &workspace.root().join("ports/shell")))?;
    check("tests", || tests(&workspace))?;
    say::line(format_args!("ci: every check passed, in {} s", begun.elapsed().as_secs()));
    Ok(())
}

/// Runs one check and says how long it took.
fn check(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    say::line(format_args!("ci: {name}"));
    let begun = Instant::now();
    work().with_context(|| format!("check `{name}` failed"))?;
    say::line(format_args!("ci: {name}: passed, {:.1} s", begun.elapsed().as_secs_f32()));
    Ok(())
}

/// Lints with every feature, and again without: what PID 1 links is compiled without them.
fn clippy(workspace: &Workspace) -> Result<()> {
    let deny = ["--locked", "--quiet", "--", "-D", "warnings"];
    let mut all = run::cargo();
    all.args(["clippy", "--workspace", "--all-targets", "--all-features"]).args(deny);
    run::pass(all.current_dir(workspace.root()))?;
    let mut plain = run::cargo();
    plain.args(["clippy", "-p", "homeport-core", "-p", "homeport-sdk", "-p", "homeport-port-shell"]).args(deny);
    run::pass(plain.current_dir(workspace.root()))
}

fn rustdoc(workspace: &Workspace) -> Result<()> {
    let mut command = run::cargo();
    command.args([
        "doc",
        "--workspace",
        "--no-deps",
        "--all-features",
        "--locked",
        "--quiet",
        "--document-private-items",
    ]);
    run::pass(command.env("RUSTDOCFLAGS", "-D warnings").current_dir(workspace.root()))
}

/// Runs all tests; afterwards nothing may be there that was not there before.
fn tests(workspace: &Workspace) -> Result<()> {
    let before = Snapshot::take()?;
    let mut command = run::cargo();
    command.args(["test", "--color=never", "--workspace", "--all-features", "--locked", "--no-fail-fast"]);
    let mut failures = Failures::default();
    let outcome = run::pass_read(command.current_dir(workspace.root()), |line| failures.read(line));
    if outcome.is_err() {
        say::line(format_args!("ci: what failed, once more\n{failures}"));
    }
    // What was left is told also where a test failed: it may be why.
    let left = before.compare();
    outcome.and(left)
}

/// The command line of this workspace, optimised, as a user would have it.
pub(crate) fn homeport(workspace: &Workspace) -> Result<std::path::PathBuf> {
    let mut command = run::cargo();
    command.args(["build", "--release", "--quiet", "--locked", "-p", "homeport-cli"]).current_dir(workspace.root());
    run::pass(&mut command)?;
    Ok(workspace.target().join(Path::new("release/homeport")))
}
