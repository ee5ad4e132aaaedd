//! Builds the images of a port from its folder, one for each version in it, and loads them into the engine.
//! Never speaks to a registry, and never changes a committed lock unless asked to refresh it.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use homeport_core::digest::Digest;
use homeport_core::fault::Advice as _;
use homeport_core::upgrade::{Direction, Formats, Past, Proposal, Release, Verdict, verdict};
use homeport_core::version::PROTOCOL;
use homeport_sdk::kit::build::debs::{self, Cache, LockPolicy, Notice, Provided};
use homeport_sdk::kit::build::{self, BuildError, Date, Deb, Image, Parts, Source};

use crate::say;
use crate::static_build::{self, Init};
use crate::workspace::Workspace;

/// What to build, and from what.
#[derive(Debug, Args)]
pub(crate) struct BuildPort {
    /// The port's folder, for example `ports/shell`.
    dir: PathBuf,
    /// Build this version alone: the newest, or one of the folder's `versions/`; all of them where it is not said.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Build on this image with the folder's Dockerfile instead of from locked packages.
    #[arg(long, value_name = "REF", conflicts_with_all = ["refresh_lock", "output", "if_gone"])]
    base: Option<String>,
    /// Choose the packages anew and write `debs.lock` before building.
    #[arg(long)]
    refresh_lock: bool,
    /// What to do when the archive no longer has a locked version.
    #[arg(long, value_enum, default_value_t = IfGone::Fail, conflicts_with = "refresh_lock")]
    if_gone: IfGone,
    /// Write the image's archive here instead of below the target directory.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only write the archive; do not load it into the engine.
    #[arg(long)]
    no_load: bool,
}

/// What to do when the archive no longer has a locked version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum IfGone {
    /// Fail, and say what is missing.
    Fail,
    /// Choose the packages anew, say what was replaced, and leave the committed lock alone.
    Refresh,
}

impl From<IfGone> for LockPolicy {
    fn from(choice: IfGone) -> Self {
        match choice {
            IfGone::Fail => Self::Exact,
            IfGone::Refresh => Self::RefreshIfGone,
        }
    }
}

/// An image that was built.
#[derive(Debug)]
struct Built {
    /// Its id.
    id: Digest,
    /// The name under which the engine knows it.
    tag: String,
    /// Its archive.
    archive: PathBuf,
}

/// Runs the task.
pub(crate) fn run(args: &BuildPort) -> Result<()> {
    let workspace = Workspace::find()?;
    if args.refresh_lock {
        refresh_lock(&args.dir)?;
    }
    let sources = read(&args.dir, args.version.as_deref())?;
    if let Some(base) = &args.base {
        return sources.iter().try_for_each(|source| crate::build_on_base::run(&workspace, source, base));
    }
    ensure!(
        args.output.is_none() || sources.len() == 1,
        "`--output` takes one image and `{}` has {} versions: say which with `--version`",
        args.dir.display(),
        sources.len()
    );
    let built = archives(&workspace, &sources, args.if_gone.into(), args.output.as_deref())?;
    if args.no_load { Ok(()) } else { built.iter().try_for_each(load) }
}

/// Builds and loads every version of the port in `dir`, and says how long that took.
pub(crate) fn every_version(workspace: &Workspace, dir: &Path) -> Result<()> {
    let begun = Instant::now();
    let sources = read(dir, None)?;
    let built = archives(workspace, &sources, LockPolicy::RefreshIfGone, None)?;
    built.iter().try_for_each(load)?;
    let tags: Vec<&str> = built.iter().map(|built| built.tag.as_str()).collect();
    say::line(format_args!("port: built and loaded {} in {:.1} s", tags.join(", "), begun.elapsed().as_secs_f32()));
    Ok(())
}

/// Checks that each version may follow every older one, with the formats that the older one makes. [spec: UPG-7]
fn follow(sources: &[Source], built: &[Built]) -> Result<()> {
    let versions: Vec<Release<'_>> = sources
        .iter()
        .zip(built)
        .map(|(source, built)| Release { manifest: &source.manifest, image: &built.id })
        .collect();
    for (installed, candidate) in versions.iter().flat_map(|a| versions.iter().map(move |b| (a, b))) {
        let (from, to) = (&installed.manifest.port.version, &candidate.manifest.port.version);
        if from.cmp_precedence(to).is_lt() {
            let volumes = installed.manifest.volumes.iter();
            let formats: Formats = volumes.map(|(name, volume)| (name.clone(), volume.format)).collect();
            let (installed, candidate) = (*installed, *candidate);
            let asked = Proposal {
                installed,
                candidate,
                direction: Direction::Up,
                formats: &formats,
                past: Past::None,
                speaks: PROTOCOL,
            };
            if let Verdict::Refused(faults) = verdict(&asked) {
                let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                bail!("version {to} cannot be upgraded to from version {from}:\n{}", faults.join("\n"));
            }
        }
    }
    Ok(())
}

/// Builds the image of each of these versions of one port and writes its archive: to `output`, else below the target
/// directory. What the versions share, the init and the packages, is built and read once.
fn archives(
    workspace: &Workspace,
    sources: &[Source],
    policy: LockPolicy,
    output: Option<&Path>,
) -> Result<Vec<Built>> {
    let first = sources.first().context("the port has no version")?;
    let init = static_build::build(workspace, &Init::of(&first.dir, first.recipe.init.as_deref()))?;
    let (debs, date) = unpack(first, provide(workspace, first, policy)?)?;
    let mut built = Vec::new();
    for source in sources {
        let parts = Parts { source, debs: debs.clone(), date, init: init.clone() };
        let image = build::assemble(parts).map_err(|error| explained(&error, &source.dir))?;
        for layer in image.layers() {
            say::line(format_args!("layer {}: {:.1} MB, {}", layer.name, megabytes(layer.size.get()), layer.digest));
        }
        let archive = match output {
            Some(file) => file.to_owned(),
            None => workspace.target().join("images").join(format!("{}.tar", image.tag().replace(['/', ':'], "-"))),
        };
        write(&image, &archive)?;
        say::line(format_args!("image {}: {}, in `{}`", image.tag(), image.id(), archive.display()));
        built.push(Built { id: image.id(), tag: image.tag().to_owned(), archive });
    }
    follow(sources, &built)?;
    Ok(built)
}

/// Reads a port's folder: this version, or the newest and after it every older one.
fn read(dir: &Path, version: Option<&str>) -> Result<Vec<Source>> {
    let whole = || {
        let newest = Source::read(dir)?;
        if version.is_some_and(|version| version == newest.manifest.port.version.to_string()) {
            return Ok(vec![newest]);
        }
        if let Some(version) = version {
            return Ok(vec![Source::read_older(dir, version)?]);
        }
        let mut sources = vec![newest];
        for name in Source::older_versions(dir)? {
            sources.push(Source::read_older(dir, &name)?);
        }
        Ok(sources)
    };
    whole().map_err(|error| explained(&error, dir)).with_context(|| format!("cannot build `{}`", dir.display()))
}

fn refresh_lock(dir: &Path) -> Result<()> {
    let newest = Source::read(dir).map_err(|error| explained(&error, dir));
    let source = newest.with_context(|| format!("cannot build `{}`", dir.display()))?;
    let packages = source.recipe.packages.as_ref();
    let packages =
        packages.with_context(|| format!("`{}` wants no packages: there is nothing to lock", dir.display()))?;
    let lock = debs::choose(packages, &mut tell).map_err(|error| explained(&error, dir))?;
    let file = source.lock_path();
    fs::write(&file, lock.to_string()).with_context(|| format!("cannot write `{}`", file.display()))?;
    say::line(format_args!("lock: {} packages of {}, in `{}`", lock.debs.len(), lock.date, file.display()));
    Ok(())
}

/// The packages of the port's lock, if it wants any.
fn provide(workspace: &Workspace, source: &Source, policy: LockPolicy) -> Result<Option<Provided>> {
    let Some(packages) = &source.recipe.packages else { return Ok(None) };
    let lock = source.lock.as_ref().ok_or_else(|| BuildError::NoLock { lock: source.lock_path() });
    let lock = lock.map_err(|error| explained(&error, &source.dir))?;
    let cache = Cache::new(workspace.deb_cache());
    let provided =
        debs::provide(packages, lock, &cache, policy, &mut tell).map_err(|error| explained(&error, &source.dir))?;
    if !provided.replaced.is_empty() {
        let file = workspace.target().join("locks").join(format!("{}.lock", source.manifest.port.id));
        fs::create_dir_all(file.parent().unwrap_or(&file)).context("cannot make a directory for the lock")?;
        fs::write(&file, provided.lock.to_string()).with_context(|| format!("cannot write `{}`", file.display()))?;
        for replaced in &provided.replaced {
            let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "nothing".to_owned());
            let (locked, now) = (version(&replaced.locked), version(&replaced.now));
            say::warning(format_args!("package `{}`: {now} in place of the locked {locked}", replaced.name));
        }
        say::warning(format_args!(
            "the image is not the one of `{}`: the lock that was used is `{}`; `cargo xtask build-port {} --refresh-lock` \
             makes it the committed one",
            source.lock_path().display(),
            file.display(),
            source.dir.display()
        ));
    }
    Ok(Some(provided))
}

/// The packages as the image gets them, and the date of everything in it.
fn unpack(source: &Source, provided: Option<Provided>) -> Result<(Vec<(String, Deb)>, Date)> {
    let mut debs = Vec::new();
    let mut date = Date::EPOCH;
    if let Some(Provided { lock, files, .. }) = provided {
        date = lock.date;
        for (deb, bytes) in lock.debs.into_iter().zip(files) {
            let read = Deb::read(&bytes).map_err(|source| BuildError::Deb { package: deb.name.clone(), source });
            debs.push((deb.name, read.map_err(|error| explained(&error, &source.dir))?));
        }
    }
    Ok((debs, date))
}

/// Writes the archive beside its place and then moves it there: nobody ever sees half of one.
fn write(image: &Image, archive: &Path) -> Result<()> {
    let dir = archive.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
    let part = archive.with_added_extension(format!("part-{}", std::process::id()));
    let written = File::create(&part).and_then(|file| image.write(BufWriter::new(file)));
    let moved = written.and_then(|()| fs::rename(&part, archive));
    moved.inspect_err(|_| drop(fs::remove_file(&part))).with_context(|| format!("cannot write `{}`", archive.display()))
}

/// Loads the archive into the engine and makes sure that the engine sees the image under its name and id.
fn load(built: &Built) -> Result<()> {
    docker(&["load", "--quiet", "--input", &built.archive.to_string_lossy()])?;
    let id = docker(&["image", "inspect", "--format", "{{.Id}}", &built.tag])?;
    ensure!(id.trim() == built.id.to_string(), "the engine has `{}` as {}, wanted {}", built.tag, id.trim(), built.id);
    let size = docker(&["image", "inspect", "--format", "{{.Size}}", &built.tag])?;
    let size: u64 = size.trim().parse().context("the engine gives no size")?;
    say::line(format_args!("engine: loaded `{}`, {:.1} MB unpacked", built.tag, megabytes(size)));
    Ok(())
}

/// Runs the engine's command line and returns what it wrote.
pub(crate) fn docker(args: &[&str]) -> Result<String> {
    let output = Command::new("docker").args(args).stdin(Stdio::null()).output().context("cannot run `docker`")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`docker {}` failed ({}): {}; `cargo xtask setup` installs and starts the engine",
        args.join(" "),
        output.status,
        said.trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn tell(notice: Notice) {
    match notice {
        Notice::Updating => say::line("packages: refreshing the package lists"),
        Notice::UpdateFailed(error) => say::warning(format_args!("the old package lists are used: {error}")),
        Notice::Fetching(count, size) => {
            say::line(format_args!("packages: fetching {count}, {:.1} MB", megabytes(size.get())));
        }
        Notice::BadCache(file) => {
            say::warning(format_args!("`{}` is not the locked package; fetching it", file.display()));
        }
        Notice::Gone(faults) => {
            for fault in faults {
                say::warning(fault);
            }
        }
    }
}

/// The error with all that it can say: every fault, the causes, and what to do next.
pub(crate) fn explained(error: &BuildError, dir: &Path) -> anyhow::Error {
    let mut lines = vec![format!("{error} [{}]", error.code())];
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        lines.push(format!("cause: {deeper}"));
        cause = deeper.source();
    }
    for fault in error.faults() {
        lines.push(format!("{} {}: {fault}", fault.code, fault.subject));
        if !fault.remedy.is_empty() {
            lines.push(format!("  help: {}", fault.remedy));
        }
    }
    lines.extend(error.help().map(|help| format!("help: {}", help.replace("DIR", &dir.display().to_string()))));
    anyhow::Error::msg(lines.join("\n  "))
}

fn megabytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
    let bytes = bytes as f64;
    bytes / 1e6
}
