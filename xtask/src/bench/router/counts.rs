//! Owns what is counted and not timed: system calls of short connections, memory and descriptors of idle ones.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::family::Family;
use super::net::{Running, Space};
use super::path::{Load, Path, side};
use crate::load::Exchanges;
use crate::run;

/// How many short connections calls are counted over.
const SHORT: u32 = 400;
/// After so long what a connection left behind is done with.
const SETTLED: Duration = Duration::from_millis(300);

/// What idle connections cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Idle {
    /// MiB of memory for 10,000 of them.
    pub(super) mib: f64,
    /// Descriptors of each.
    pub(super) descriptors: f64,
}

/// The system calls of one short connection, one after the other.
pub(super) fn calls(path: Path, family: &Family, token: &str) -> Result<f64> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-U", "calls,name"]);
    for pid in family.pids() {
        strace.args(["-p", &pid.to_string()]);
    }
    let mut tracer = Tracer(strace.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().context("cannot run strace")?);
    let mut says = BufReader::new(tracer.0.stderr.take().context("strace says nothing")?);
    for _ in family.pids() {
        let mut line = String::new();
        says.read_line(&mut line)?;
        ensure!(line.contains("attached"), "strace said `{}`", line.trim());
    }
    let mut client = side(Space::Clients, token)?;
    client.args(["exchange", "--clients", "1", "--seconds", "0", "--times", &SHORT.to_string()]);
    client.args(["--at", &path.address(Load::Exchange).to_string()]);
    let seen: Exchanges = serde_json::from_str(&run::take(&mut client)?)?;
    ensure!(seen.errors == 0, "{} of {SHORT} connections failed", seen.errors);
    sleep(SETTLED);
    kill(Pid::from_raw(tracer.0.id().cast_signed()), Signal::SIGINT)?;
    let lines: Vec<String> = says.lines().collect::<std::io::Result<_>>()?;
    tracer.0.wait()?;
    Ok(total(&lines).context("strace counted nothing")? / f64::from(SHORT))
}

/// The sum of a table of calls and their names.
fn total(lines: &[String]) -> Option<f64> {
    let count = |line: &String| {
        let (count, name) = line.trim().split_once(' ')?;
        count.parse::<f64>().ok().filter(|_| name.trim() != "total")
    };
    lines.iter().filter_map(count).reduce(|sum, more| sum + more)
}

/// Kills `strace` where it was not ended.
struct Tracer(Child);

impl Drop for Tracer {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// What so many idle connections add, each used once before.
#[expect(clippy::cast_precision_loss, reason = "some thousand connections")]
pub(super) fn idle(path: Path, family: &Family, token: &str, connections: usize) -> Result<Idle> {
    let before = (family.memory()?, family.descriptors()?);
    let mut client = side(Space::Clients, token)?;
    client.args(["idle", "--connections", &connections.to_string(), "--at", &path.idle_address().to_string()]);
    let client = Running::start_until("the client of idle connections", &mut client, "held")?;
    sleep(SETTLED);
    let after = (family.memory()?, family.descriptors()?);
    client.finish()?;
    sleep(SETTLED);
    Ok(Idle {
        mib: (after.0 - before.0) * 10_000.0 / connections as f64,
        descriptors: (after.1 - before.1) / connections as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_calls_is_summed_up_without_its_own_sum() {
        let text = "strace: Process 7 detached\n    calls syscall\n--------- ----------------\n      802 epoll_wait\n      401 accept4\n--------- ----------------\n     1203 total\n";
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        assert_eq!(total(&lines), Some(1203.0));
        assert_eq!(total(&[]), None);
    }
}
