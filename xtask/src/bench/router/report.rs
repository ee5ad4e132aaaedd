//! Owns how figures are said: a table of every path, the goals, and a line for machines each. Never measures.

use super::goals::{self, Verdict};
use super::path::{Load, Path};
use super::samples::{CPU, Of, P99, RATE, Samples};
use crate::say;

/// Says all.
pub(super) fn say(samples: &Samples) {
    for (load, title) in [(Load::Bulk(1), "bulk, 1 connection"), (Load::Bulk(4), "bulk, 4 connections")] {
        say::line(format_args!("\n{title:<24} {:>3} {:>9} {:>26} {:>16}", "n", "Gbit/s", "to direct", "cpu s a GiB"));
        rows(samples, load, &[CPU]);
    }
    for (load, title) in [(Load::Exchange, "connections, 16 at once"), (Load::Paced, "connections, half load")] {
        say::line(format_args!(
            "\n{title:<24} {:>3} {:>9} {:>26} {:>16} {:>16}",
            "n", "a second", "to direct", "cpu ms each", "99 % within ms"
        ));
        rows(samples, load, &[CPU, P99]);
    }
    for (load, title) in
        [(Load::Datagrams(1), "datagrams, 16 under way"), (Load::Datagrams(8), "datagrams, 128 under way")]
    {
        say::line(format_args!(
            "\n{title:<24} {:>3} {:>9} {:>26} {:>16} {:>16}",
            "n", "a second", "to direct", "cpu ms each", "99 % within ms"
        ));
        rows(samples, load, &[CPU, P99]);
    }
    say::line(format_args!(
        "\n{:<24} {:>16} {:>16} {:>16} {:>16}",
        "counted", "calls each", "idle MiB/10,000", "idle fds each", "runs rejected"
    ));
    for path in Path::ALL {
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        let idle = samples.idle.get(&path);
        say::line(format_args!(
            "{:<24} {:>16} {:>16} {:>16} {:>16}",
            path.name(),
            number(samples.calls.get(&path).copied()),
            number(idle.map(|idle| idle.mib)),
            number(idle.map(|idle| idle.descriptors)),
            samples.rejected.get(&path).copied().unwrap_or(0)
        ));
    }
    say::line(format_args!("idle figures are of {} connections\n", samples.idle_connections));
    let goals = goals::all(samples);
    for goal in &goals {
        let found = match goal.verdict() {
            None => continue,
            Some(Verdict::Met) => "met",
            Some(Verdict::Within) => "not met, within bounds",
            Some(Verdict::Missed) => "MISSED",
        };
        say::line(format_args!("{:<48} {} {}: {found}", goal.what, goal.figure, goal.wanted()));
    }
    say::line("");
    for goal in &goals {
        say::line(goal.figure.line(&goal.metric, goal.kind));
    }
}

fn rows(samples: &Samples, load: Load, more: &[Of]) {
    for path in Path::ALL {
        let Some(rate) = samples.value(load, path, RATE) else { continue };
        let to_direct = samples.ratio(load, path, Path::Direct, RATE);
        let to_direct =
            to_direct.map_or_else(String::new, |it| format!("{:.2} ({:.2} to {:.2})", it.median, it.low, it.high));
        let figures = more.iter().filter_map(|of| samples.value(load, path, *of));
        let more = figures.map(|figure| format!(" {:>16.3}", figure.median)).collect::<Vec<_>>().concat();
        say::line(format_args!("{:<24} {:>3} {:>9.2} {to_direct:>26}{more}", path.name(), rate.n, rate.median));
    }
}
