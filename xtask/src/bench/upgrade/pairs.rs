//! Owns the comparison with `docker stop`, `docker rm` and `docker run`: pairs whose order changes, and the figures. Nothing
//! of the volume changes between two changes of version, and so none of its files is read for the snapshot.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::client::{Clients, ask};
use super::place::{NAME, Place};
use super::port::Images;
use super::recreate::Recreated;
use super::seen::{Outcome, Seen};
use super::steps::{Steps, medians};
use crate::bench::figure::Figure;
use crate::workspace::Workspace;
use crate::{ci, run, say, setup};

/// Addresses of the two sides; outside of what HomePort picks by itself.
const OURS: &str = "127.0.0.1:19080";
const THEIRS: &str = "127.0.0.1:19081";
/// Files in the volume.
const FILES: usize = 100_000;
/// So many of the steps are told.
const LONGEST: usize = 14;
/// Clients connect for so long before and after.
const AROUND: Duration = Duration::from_millis(500);
/// What was written just before a scan is read again by the next one.
const SETTLED: Duration = Duration::from_secs(3);

pub(super) fn run(pairs: usize) -> Result<()> {
    ensure!(pairs >= 3, "a median of {pairs} says nothing: wanted at least 3 pairs");
    let workspace = Workspace::find()?;
    setup::run()?;
    let homeport = ci::homeport(&workspace)?;
    let images = {
        let dir = std::env::temp_dir().join(format!("homeport-bench-images-{}", std::process::id()));
        let images = Images::load(&workspace, &dir);
        // What went wrong with the images is worth more than this.
        if let Err(error) = fs::remove_dir_all(&dir) {
            say::warning(format_args!("`{}` cannot be removed: {error}", dir.display()));
        }
        images?
    };
    let [older, newer] = images.tags();
    let place = Place::new(homeport)?;
    let docker = sides(&place, older)?;
    let mut steps: Vec<Steps> = Vec::new();
    let mut ours = || {
        let (seen, took) = while_connecting(OURS, || place.steps(&["upgrade", NAME, "--to", newer]))?;
        steps.push(took);
        place.homeport(&["rollback", NAME])?;
        Ok::<_, anyhow::Error>(seen)
    };
    let theirs = || {
        let (seen, ()) = while_connecting(THEIRS, || docker.recreate(newer))?;
        docker.recreate(older)?;
        until_answered(THEIRS)?;
        Ok::<_, anyhow::Error>(seen)
    };
    let mut samples = Vec::new();
    for pair in 0..pairs {
        // Which side goes first changes, so that neither always finds the machine as the other left it.
        let (a, b) = if pair % 2 == 0 {
            let a = ours()?;
            (a, theirs()?)
        } else {
            let b = theirs()?;
            (ours()?, b)
        };
        say::line(format_args!("pair {:2}: homeport upgrade: {}", pair + 1, words(&a)));
        say::line(format_args!("         docker recreate: {}", words(&b)));
        samples.push((a, b));
    }
    // The container has the images until it is gone.
    drop((docker, place));
    say::line("the longest steps of an upgrade, from its first second on:");
    for (step, took) in medians(&steps).into_iter().take(LONGEST) {
        say::line(format_args!("{took:9.3} s  {step}"));
    }
    tell(&samples)
}

/// HomePort's side and Docker's, which runs a copy of it.
fn sides(place: &Place, image: &str) -> Result<Recreated> {
    say::line(format_args!(
        "making a volume with {FILES} files, and a snapshot of it; nothing of it changes from then on"
    ));
    place.homeport(&["deploy", image, "--name", NAME, "--route", &format!("http={OURS}")])?;
    fill(&place.data("site"))?;
    let dir = place.dir().join("docker");
    fs::create_dir_all(&dir)?;
    run::take(Command::new("cp").arg("-a").arg(place.data("site")).arg(dir.join("site")))?;
    std::thread::sleep(SETTLED);
    place.homeport(&["snapshot", "create", NAME])?;
    let docker = Recreated::like(&place.container()?, image, &dir, THEIRS)?;
    until_answered(THEIRS)?;
    Ok(docker)
}

/// A site of many small pages.
fn fill(site: &Path) -> Result<()> {
    fs::write(site.join("index.html"), "<p>here</p>\n")?;
    for n in 0..FILES {
        let dir = site.join(format!("{:03}", n / 1000));
        if n % 1000 == 0 {
            fs::create_dir(&dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
        }
        fs::write(dir.join(format!("{n}.html")), format!("<p>page {n}</p>\n").repeat(40))?;
    }
    Ok(())
}

/// What clients of this server see while `act` goes on, and what that says.
fn while_connecting<T>(server: &str, act: impl FnOnce() -> Result<T>) -> Result<(Seen, T)> {
    let clients = Clients::of(server.parse()?);
    std::thread::sleep(AROUND);
    let done = act();
    let answered = until_answered(server);
    std::thread::sleep(AROUND);
    let attempts = clients.end()?;
    let done = done?;
    answered?;
    Ok((Seen::of(&attempts), done))
}

fn until_answered(server: &str) -> Result<()> {
    let server: SocketAddr = server.parse()?;
    for _ in 0..6000 {
        if ask(server) == Outcome::Answered {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    anyhow::bail!("nothing answered at `{server}` within a minute")
}

fn words(seen: &Seen) -> String {
    let Seen { without_answer, longest_wait, answered, refused, cut } = seen;
    format!(
        "{:.3} s without an answer, longest wait {:.3} s, {answered} answered, {refused} refused, {cut} cut off",
        without_answer.as_secs_f64(),
        longest_wait.as_secs_f64()
    )
}

fn tell(samples: &[(Seen, Seen)]) -> Result<()> {
    let figure = |values: Vec<f64>| Figure::of(&values).context("no samples");
    let without = |seen: &Seen| seen.without_answer.as_secs_f64();
    let ours = figure(samples.iter().map(|(ours, _)| without(ours)).collect())?;
    let theirs = figure(samples.iter().map(|(_, theirs)| without(theirs)).collect())?;
    let ratios = figure(samples.iter().map(|(ours, theirs)| without(ours) / without(theirs)).collect())?;
    let wait = samples.iter().map(|(ours, _)| ours.longest_wait).max().unwrap_or_default();
    say::line(format_args!(
        "without an answer, with {FILES} files of which none has changed: homeport upgrade {ours} s; docker recreate {theirs} s"
    ));
    let ratio = Figure { median: ours.median / theirs.median, ..ratios };
    say::line(ratio.line("upgrade_downtime_vs_docker_recreate", "ratio"));
    say::line(ours.line("upgrade_downtime_seconds", "value"));
    say::line(theirs.line("docker_recreate_downtime_seconds", "value"));
    say::line(format_args!("metric=upgrade_longest_wait_seconds value={:.3} n={}", wait.as_secs_f64(), samples.len()));
    let lost = |of: fn(&(Seen, Seen)) -> usize| -> usize { samples.iter().map(of).sum() };
    for (metric, value) in [
        ("upgrade_refused", lost(|(ours, _)| ours.refused)),
        ("upgrade_cut_off", lost(|(ours, _)| ours.cut)),
        ("docker_refused", lost(|(_, theirs)| theirs.refused)),
        ("docker_cut_off", lost(|(_, theirs)| theirs.cut)),
    ] {
        say::line(format_args!("metric={metric} value={value} n={}", samples.len()));
    }
    Ok(())
}
