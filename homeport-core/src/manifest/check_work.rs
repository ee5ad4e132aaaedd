//! Owns the rules of schedules and hooks: time tables that can be one, commands that are declared and can be run then.
//! Never says when something is due.

use std::collections::BTreeMap;

use super::read::Pointer;
use super::shape::Findings;
use super::value::{Command, Hooks, Overlap, Schedule, When};
use super::wire;
use crate::name::CommandName;
use crate::unit::Seconds;

/// Checks one schedule. [spec: MAN-16]
pub(super) fn schedule(
    wire: wire::Schedule,
    commands: &BTreeMap<CommandName, Command>,
    at: &Pointer,
    f: &mut Findings,
) -> Option<Schedule> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '*' | '/' | ',' | '-');
    let fields: Vec<&str> = wire.cron.split_ascii_whitespace().collect();
    if fields.len() != 5 || !fields.iter().all(|field| field.chars().all(plain)) {
        let fault = f.add(
            "HP-MAN-038",
            "MAN-16",
            &at.child("cron"),
            format!("`{}` is not a time table", at.child("cron").text()),
        );
        fault.set_actual(format!("`{}`", crate::text::clip(&wire.cron, 40)));
        fault.set_expected("the five fields of cron: minute, hour, day, month, weekday");
    }
    let zone = wire.tz.unwrap_or_else(|| "UTC".to_owned());
    if !is_zone(&zone) {
        let at = at.child("tz");
        let fault = f.add("HP-MAN-053", "MAN-16", &at, format!("`{}` is not a time zone's name", at.text()));
        fault.set_actual(format!("`{}`", crate::text::clip(&zone, 40)));
        fault.set_expected("a name of the tz database, for example `Europe/Berlin`");
    }
    let command = known_command(&wire.command, When::Running, commands, &at.child("command"), f);
    Some(Schedule {
        cron: wire.cron,
        tz: zone,
        command: command?,
        within: Seconds::new(wire.max_seconds.unwrap_or(3600)),
        overlap: wire.overlap.unwrap_or(Overlap::Skip),
        jitter: Seconds::new(wire.jitter_seconds.unwrap_or(0)),
    })
}

fn known_command(
    text: &str,
    when: When,
    commands: &BTreeMap<CommandName, Command>,
    at: &Pointer,
    f: &mut Findings,
) -> Option<CommandName> {
    let name: CommandName = f.name(text, at)?;
    let Some(command) = commands.get(&name) else {
        f.add("HP-MAN-039", "MAN-17", at, format!("`{}` names a command that is not declared", at.text()))
            .set_actual(format!("`{name}`"));
        return None;
    };
    if command.when != when {
        let message = format!("`{}` names a command that can't be run at that moment", at.text());
        let fault = f.add("HP-MAN-048", "MAN-29", at, message);
        fault.set_actual(format!("`{name}` is run while the port is {}", command.when.word()));
        fault.set_expected(format!("a command with `when` = `{}`", when.word()));
    }
    Some(name)
}

/// Checks the hooks. [spec: MAN-18]
pub(super) fn hooks(
    wire: Option<wire::Hooks>,
    commands: &BTreeMap<CommandName, Command>,
    at: &Pointer,
    f: &mut Findings,
) -> Hooks {
    let Some(wire) = wire else { return Hooks::default() };
    let mut known = |text: Option<String>, when, field: &str| {
        text.and_then(|text| known_command(&text, when, commands, &at.child(field), f))
    };
    Hooks {
        freeze: known(wire.freeze, When::Running, "freeze"),
        thaw: known(wire.thaw, When::Running, "thaw"),
        post_restore: known(wire.post_restore, When::Stopped, "post_restore"),
        selftest: known(wire.selftest, When::Running, "selftest"),
    }
}

/// A name as the tz database has them; whether there is such a zone is the host's to know.
fn is_zone(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-');
    text.len() <= 64 && text.split('/').all(|part| !part.is_empty() && part.chars().all(plain))
}
