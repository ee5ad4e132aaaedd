//! Owns trying each seeded fault in turn, and saying which test caught it. Never touches the workspace itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use super::fault::{Fault, Test};
use super::scratch::Scratch;
use super::trial::Outcome;
use crate::say;
use crate::workspace::Workspace;

/// Where the lists are.
const LISTS: &str = "homeport-volumes/tests/seeded";

/// What to do with the faults.
#[derive(Debug, clap::Args)]
pub(crate) struct SeededFaults {
    /// Build and run nothing; fail if a fault has no longer exactly one place.
    #[arg(long)]
    check: bool,
    /// Only the faults whose names contain one of these.
    names: Vec<String>,
}

/// Tries every fault; fails if one is not caught, no longer applies or does not compile.
pub(crate) fn run(args: &SeededFaults) -> Result<()> {
    let workspace = Workspace::find()?;
    if args.check {
        return check();
    }
    let faults = read(&workspace)?;
    let wanted = |fault: &Fault| args.names.is_empty() || args.names.iter().any(|name| fault.name.contains(name));
    let faults: Vec<Fault> = faults.into_iter().filter(wanted).collect();
    ensure!(!faults.is_empty(), "no fault has such a name");
    let scratch = Scratch::copy(&workspace)?;
    baseline(&scratch, &faults)?;
    let mut survived = 0;
    for fault in &faults {
        let begun = Instant::now();
        let (caught, by) = match try_one(&workspace, &scratch, fault) {
            Ok(Outcome::Failed(tests)) => (true, tests.join(", ")),
            Ok(Outcome::Hung) => (true, format!("{} does not end", fault.caught_by.name)),
            Ok(Outcome::Passed(_)) => (false, format!("SURVIVED {}", fault.caught_by.name)),
            Err(error) => (false, format!("NOT TRIED: {error:#}")),
        };
        survived += usize::from(!caught);
        say::line(format_args!("{:<44} {by} ({:.0} s)", fault.name, begun.elapsed().as_secs_f32()));
    }
    ensure!(survived == 0, "{survived} of {} seeded faults were not caught", faults.len());
    say::line(format_args!("seeded faults: all {} were caught", faults.len()));
    Ok(())
}

/// Fails with every fault that has no longer exactly one place in the code.
pub(crate) fn check() -> Result<()> {
    let workspace = Workspace::find()?;
    let faults = read(&workspace)?;
    let stale: Vec<String> =
        faults.iter().filter_map(|fault| Some(seeded(&workspace, fault).err()?.to_string())).collect();
    ensure!(stale.is_empty(), "{}", stale.join("\n"));
    say::line(format_args!("seeded faults: all {} apply", faults.len()));
    Ok(())
}

/// Every fault of every list.
fn read(workspace: &Workspace) -> Result<Vec<Fault>> {
    let dir = workspace.root().join(LISTS);
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read `{}`", dir.display()))? {
        paths.push(entry?.path());
    }
    paths.sort();
    let mut faults: Vec<Fault> = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        faults.extend(
            super::fault::parse(&text).with_context(|| format!("`{}` is no list of faults", path.display()))?.fault,
        );
    }
    Ok(faults)
}

/// Fails unless every test passes where nothing is wrong: otherwise a failure would prove nothing.
fn baseline(scratch: &Scratch, faults: &[Fault]) -> Result<()> {
    let tests: BTreeMap<&Test, &Fault> = faults.iter().map(|fault| (&fault.caught_by, fault)).collect();
    for (test, fault) in tests {
        let begun = Instant::now();
        super::trial::build(scratch, test)?;
        match super::trial::run(scratch, test)? {
            Outcome::Passed(0) => bail!("`{}` names a test that does not exist: `{}`", fault.name, test.name),
            Outcome::Passed(_) => {}
            outcome => bail!("`{}` does not pass where nothing is wrong: {outcome:?}", test.name),
        }
        say::line(format_args!(
            "{:<44} passes where nothing is wrong ({:.0} s)",
            test.name,
            begun.elapsed().as_secs_f32()
        ));
    }
    Ok(())
}

/// The file's text with the fault.
fn seeded(workspace: &Workspace, fault: &Fault) -> Result<String> {
    let path = workspace.root().join(&fault.file);
    let text = fs::read_to_string(&path)
        .with_context(|| format!("`{}` no longer applies: cannot read `{}`", fault.name, fault.file))?;
    fault.seed(&text)
}

/// Puts the fault in, builds, runs its test, and takes the fault out again, whatever came of it.
fn try_one(workspace: &Workspace, scratch: &Scratch, fault: &Fault) -> Result<Outcome> {
    let healthy =
        fs::read(workspace.root().join(&fault.file)).with_context(|| format!("cannot read `{}`", fault.file))?;
    scratch.put(&fault.file, seeded(workspace, fault)?.as_bytes())?;
    let outcome =
        super::trial::build(scratch, &fault.caught_by).and_then(|()| super::trial::run(scratch, &fault.caught_by));
    scratch.put(&fault.file, &healthy)?;
    outcome
}
