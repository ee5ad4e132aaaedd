//! Owns the rules of what a port runs: services, commands, schedules and hooks.
//! Never looks at how long a start or a stop may take: that is `running`'s.

use super::super::change::{Found, listed, pairs, quoted};
use super::super::rule::declare_rules;
use super::port;
use crate::manifest::{Command, Criticality, Hooks, Manifest, Schedule, Service};
use crate::name::CommandName;

declare_rules! {
    SERVICE_ADDED = "service-added", Patch,
        "a service was added",
        "the status has one line more";
    SERVICE_REMOVED = "service-removed", Minor,
        "a service was removed",
        "a monitor that looks for its line in the status finds none";
    SERVICE_CRITICAL_CHANGED = "service-critical-changed", Minor,
        "the port gives up with a service that it did not, or the other way round",
        "a monitor sees the port down instead of degraded";
    SERVICE_UID_CHANGED = "service-uid-changed", Patch,
        "a service runs as another user",
        "who owns the volumes is declared by them";
    COMMAND_ADDED = "command-added", Minor,
        "a command was added",
        "the version before refuses it";
    COMMAND_REMOVED = "command-removed", Major,
        "a command was removed",
        "a script that runs it fails";
    COMMAND_DESTRUCTIVE = "command-destructive", Major,
        "a command deletes or overwrites data that did not",
        "a script that ran it harmlessly every night destroys something";
    COMMAND_HARMLESS = "command-harmless", Minor,
        "a command no longer deletes or overwrites data",
        "a script that gives its approval gives one too many";
    COMMAND_WHEN_CHANGED = "command-when-changed", Major,
        "a command runs at another time: with the port running, or stopped",
        "a script that runs it is refused";
    COMMAND_ARGS_ADDED = "command-args-added", Minor,
        "a command has more arguments",
        "the version before does not know them";
    COMMAND_ARGS_CHANGED = "command-args-changed", Major,
        "a command has other arguments",
        "a script's arguments mean something else";
    COMMAND_EXCLUSIVE_CHANGED = "command-exclusive-changed", Minor,
        "something else may run beside a command that might not, or the other way round",
        "a script that runs two at once waits";
    COMMAND_TIME_CHANGED = "command-time-changed", Minor,
        "a command may take another time",
        "a script that waits for it waits longer, or the command is cut off";
    SCHEDULE_ADDED = "schedule-added", Minor,
        "a schedule was added",
        "the machine works at a time at which it did not";
    SCHEDULE_REMOVED = "schedule-removed", Minor,
        "a schedule was removed",
        "what ran every night runs only when somebody asks for it";
    SCHEDULE_CHANGED = "schedule-changed", Minor,
        "a schedule runs at other times, in another way or another command",
        "the machine works at a time at which it did not";
    HOOK_ADDED = "hook-added", Minor,
        "a command is run around snapshots, after restores or as a self-test that was not",
        "a snapshot takes longer";
    HOOK_REMOVED = "hook-removed", Major,
        "a command is no longer run around snapshots, after restores or as a self-test",
        "a snapshot of the running port is not as consistent as it was";
    HOOK_CHANGED = "hook-changed", Patch,
        "another command is run at the same moment",
        "the moment and its promise are the same";
}

pub(super) fn compare(old: &Manifest, new: &Manifest, found: &mut Found) {
    for (name, was, is) in pairs(&old.services, &new.services) {
        let at = format!("/services/{name}");
        match (was, is) {
            (Some(was), Some(is)) => service(&at, was, is, found),
            (Some(_), None) => found.added(&SERVICE_REMOVED, at),
            (None, Some(_)) => found.added(&SERVICE_ADDED, at),
            (None, None) => {}
        }
    }
    for (name, was, is) in pairs(&old.commands, &new.commands) {
        let at = format!("/commands/{name}");
        match (was, is) {
            (Some(was), Some(is)) => command(&at, was, is, found),
            (Some(_), None) => found.added(&COMMAND_REMOVED, at),
            (None, Some(_)) => found.added(&COMMAND_ADDED, at),
            (None, None) => {}
        }
    }
    for (name, was, is) in pairs(&old.schedules, &new.schedules) {
        let at = format!("/schedules/{name}");
        match (was, is) {
            (Some(was), Some(is)) if was != is => {
                found.add(&SCHEDULE_CHANGED, at, Some(schedule(was)), Some(schedule(is)));
            }
            (Some(_), None) => found.added(&SCHEDULE_REMOVED, at),
            (None, Some(_)) => found.added(&SCHEDULE_ADDED, at),
            _ => {}
        }
    }
    hooks(&old.hooks, &new.hooks, found);
}

fn service(at: &str, was: &Service, is: &Service, found: &mut Found) {
    if was.criticality != is.criticality {
        let shown = |service: &Service| (service.criticality == Criticality::Critical).to_string();
        found.add(&SERVICE_CRITICAL_CHANGED, format!("{at}/critical"), Some(shown(was)), Some(shown(is)));
    }
    if was.uid != is.uid {
        let shown = |service: &Service| service.uid.map(|uid| uid.to_string());
        found.add(&SERVICE_UID_CHANGED, format!("{at}/uid"), shown(was), shown(is));
    }
    port::text(format!("{at}/summary"), &was.summary, &is.summary, found);
}

fn command(at: &str, was: &Command, is: &Command, found: &mut Found) {
    let destructive = if is.destructive { &COMMAND_DESTRUCTIVE } else { &COMMAND_HARMLESS };
    found.unequal(destructive, format!("{at}/destructive"), &was.destructive, &is.destructive);
    found.unequal(&COMMAND_WHEN_CHANGED, format!("{at}/when"), &was.when.word(), &is.when.word());
    found.unequal(&COMMAND_EXCLUSIVE_CHANGED, format!("{at}/exclusive"), &was.exclusive, &is.exclusive);
    found.unequal(&COMMAND_TIME_CHANGED, format!("{at}/max_seconds"), &was.within, &is.within);
    let args = if is.args.starts_with(&was.args) { &COMMAND_ARGS_ADDED } else { &COMMAND_ARGS_CHANGED };
    found.unequal(args, format!("{at}/args"), &listed(&was.args), &listed(&is.args));
    port::text(format!("{at}/summary"), &was.summary, &is.summary, found);
}

fn schedule(of: &Schedule) -> String {
    let Schedule { cron, tz, command, within, overlap, jitter } = of;
    format!("{} {tz} {command}, {within} s, {}, {jitter} s", quoted(cron), overlap.word())
}

fn hooks(old: &Hooks, new: &Hooks, found: &mut Found) {
    for (name, was, is) in [
        ("freeze", &old.freeze, &new.freeze),
        ("thaw", &old.thaw, &new.thaw),
        ("post_restore", &old.post_restore, &new.post_restore),
        ("selftest", &old.selftest, &new.selftest),
    ] {
        let rule = match (was, is) {
            (None, Some(_)) => &HOOK_ADDED,
            (Some(_), None) => &HOOK_REMOVED,
            (was, is) if was != is => &HOOK_CHANGED,
            _ => continue,
        };
        let shown = |command: &Option<CommandName>| command.as_ref().map(ToString::to_string);
        found.add(rule, format!("/hooks/{name}"), shown(was), shown(is));
    }
}
