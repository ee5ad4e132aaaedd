//! Owns the long run: the shell port goes up and back many times while people log in, and sessions that are open live on.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::place::{NAME, Place};
use super::visitors::{Visit, Visitors};
use crate::bench::figure::Figure;
use crate::ssh::{self, Login, Session};
use crate::workspace::Workspace;
use crate::{build_port, ci, say, setup};

/// The versions of the shell port.
const OLDER: &str = "homeport/shell:1.0.0";
const NEWER: &str = "homeport/shell:1.1.0";
/// Its address; outside of what HomePort picks by itself.
const ADDRESS: &str = "127.0.0.1:19024";
/// How long people log in before anything changes, to have something to compare with.
const BEFORE: Duration = Duration::from_secs(20);
/// Sessions that are open over each change.
const SESSIONS: usize = 2;
/// The client's first choice takes much more time of both processors, which is not what is measured.
const KEX: &str = "KexAlgorithms=curve25519-sha256";
/// A session whose other side is gone ends by itself, and is not waited for for ever.
const ALIVE: [&str; 2] = ["ServerAliveInterval=10", "ServerAliveCountMax=6"];
/// So many logins that failed are told at once.
const TOLD: usize = 5;
/// How often it is told how far it is.
const TOLD_EVERY: usize = 20;

/// Everything that was seen.
#[derive(Debug, Default)]
struct Seen {
    /// How long each change took, in seconds.
    changes: Vec<f64>,
    /// Logins while nothing changed, and since.
    quiet: Vec<Visit>,
    visits: Vec<Visit>,
    /// Sessions that were open over a change, and those that a change has ended.
    sessions: usize,
    lost: usize,
}

pub(super) fn run(times: usize, a_second: u32) -> Result<()> {
    ensure!(times > 0, "nothing is done 0 times");
    let workspace = Workspace::find()?;
    setup::run()?;
    let homeport = ci::homeport(&workspace)?;
    build_port::every_version(&workspace, &workspace.root().join("ports/shell"))?;
    let place = Place::new(homeport)?;
    let key = place.dir().join("key");
    ssh::make_key(&key)?;
    let keys = format!("authorized_keys={}", key.with_extension("pub").display());
    place.homeport(&["deploy", OLDER, "--name", NAME, "--set-file", &keys, "--route", &format!("ssh={ADDRESS}")])?;
    // The host keys of the first version, and no others: a change must not change them for anybody.
    let login = Login::of(&place.status()?, &key, &place.dir().join("known_hosts"))?;
    let visitors = Visitors::of(&login.with(KEX), a_second);
    let login = ALIVE.iter().fold(login, |login, option| login.with(option));
    std::thread::sleep(BEFORE);
    let mut seen = Seen { quiet: visitors.take(), ..Seen::default() };
    let begun = Instant::now();
    warn_of(&seen.quiet, "before any change", begun);
    for round in 1..=times {
        seen.change(&login, || place.homeport(&["upgrade", NAME, "--to", NEWER]))?;
        seen.change(&login, || place.homeport(&["rollback", NAME]))?;
        let more = visitors.take();
        warn_of(&more, &format!("round {round}"), begun);
        seen.visits.extend(more);
        if round % TOLD_EVERY == 0 || round == times {
            let failed = seen.visits.iter().filter(|visit| visit.failed.is_some()).count();
            say::line(format_args!(
                "{round} times up and back in {:.0} s: {} logins, {failed} failed",
                begun.elapsed().as_secs_f64(),
                seen.visits.len()
            ));
        }
    }
    let took = begun.elapsed();
    seen.visits.extend(visitors.end()?);
    drop(place);
    seen.tell(took)
}

/// Tells of logins that failed, of the first of them at least.
fn warn_of(visits: &[Visit], when: &str, begun: Instant) {
    let failed: Vec<(&Visit, &String)> =
        visits.iter().filter_map(|visit| Some((visit, visit.failed.as_ref()?))).collect();
    for (visit, why) in failed.iter().take(TOLD) {
        let at = visit.due.saturating_duration_since(begun).as_secs_f64();
        say::warning(format_args!("{when}, {at:.1} s, after {:.1} s: {why}", visit.took.as_secs_f64()));
    }
    if let Some(more) = failed.len().checked_sub(TOLD + 1) {
        say::warning(format_args!("{when}: {} logins more failed", more + 1));
    }
}

impl Seen {
    /// Changes the version while sessions are open, each of which has to be the same afterwards. A third version's container
    /// has no room beside two: sessions are ended before the next change.
    fn change(&mut self, login: &Login, act: impl FnOnce() -> Result<String>) -> Result<()> {
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            let due = Instant::now();
            let mut session = login.open()?;
            match session.ask("echo $$") {
                Ok(process) => sessions.push((session, process)),
                // It is a login like others.
                Err(error) => {
                    session.close()?;
                    self.visits.push(Visit { due, took: due.elapsed(), failed: Some(format!("{error:#}")) });
                }
            }
        }
        let begun = Instant::now();
        act()?;
        self.changes.push(begun.elapsed().as_secs_f64());
        self.sessions += sessions.len();
        for (mut session, process) in sessions {
            match session.ask("echo $$") {
                Ok(found) if found == process => session.close()?,
                Ok(found) => self.lose(session, &format!("it is process {found}, and was {process}"))?,
                Err(error) => self.lose(session, &format!("{error:#}"))?,
            }
        }
        Ok(())
    }

    fn lose(&mut self, session: Session, why: &str) -> Result<()> {
        self.lost += 1;
        say::warning(format_args!("change {}: a session that was open has not lived on: {why}", self.changes.len()));
        session.close()
    }

    fn tell(&self, took: Duration) -> Result<()> {
        let figure = |values: Vec<f64>| Figure::of(&values).context("no samples");
        let waits = |visits: &[Visit]| figure(visits.iter().map(|visit| visit.took.as_secs_f64()).collect());
        let longest = |visits: &[Visit]| visits.iter().map(|visit| visit.took).max().unwrap_or_default().as_secs_f64();
        let failed = self.visits.iter().filter(|visit| visit.failed.is_some()).count();
        let (logins, changes) = (self.visits.len(), self.changes.len());
        say::line(format_args!(
            "a login with nothing else: {} s, at most {:.3} s",
            waits(&self.quiet)?,
            longest(&self.quiet)
        ));
        say::line(format_args!(
            "a login between changes: {} s, at most {:.3} s",
            waits(&self.visits)?,
            longest(&self.visits)
        ));
        say::line(format_args!("a change: {} s", figure(self.changes.clone())?));
        #[expect(clippy::cast_precision_loss, reason = "some ten thousand logins")]
        let rates = [logins as f64 / took.as_secs_f64(), self.quiet.len() as f64 / BEFORE.as_secs_f64()];
        say::line(format_args!("metric=upgrade_soak_changes value={changes}"));
        say::line(format_args!("metric=upgrade_soak_failed_logins value={failed} n={logins}"));
        say::line(format_args!("metric=upgrade_soak_lost_sessions value={} n={}", self.lost, self.sessions));
        say::line(format_args!(
            "metric=upgrade_soak_longest_wait_seconds value={:.3} n={logins}",
            longest(&self.visits)
        ));
        say::line(format_args!(
            "metric=upgrade_soak_longest_wait_without_changes_seconds value={:.3}",
            longest(&self.quiet)
        ));
        say::line(format_args!("metric=upgrade_soak_logins_a_second value={:.1}", rates[0]));
        say::line(format_args!("metric=upgrade_soak_logins_a_second_without_changes value={:.1}", rates[1]));
        Ok(())
    }
}
