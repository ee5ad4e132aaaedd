//! Owns the rules of a port's times, of its log and of what it needs of the machine.
//! Never looks at what it may do: that is `privilege`'s.

use super::super::change::Found;
use super::super::rule::declare_rules;
use crate::manifest::Manifest;
use crate::unit::Seconds;

declare_rules! {
    READY_RAISED = "ready-time-raised", Minor,
        "the port may take longer to be ready",
        "a start that hangs is found later";
    READY_LOWERED = "ready-time-lowered", Patch,
        "the port has to be ready sooner",
        "the port is tested against its own time";
    WATCHDOG_CHANGED = "watchdog-changed", Minor,
        "the time between two signs of life changed",
        "a port that hangs is found sooner or later than before";
    STOP_RAISED = "stop-time-raised", Minor,
        "the port may take longer to stop",
        "a shutdown of the machine waits longer";
    STOP_LOWERED = "stop-time-lowered", Patch,
        "the port stops sooner",
        "whoever could wait before can wait now";
    RELOAD_ADDED = "reload-added", Minor,
        "the port takes new configuration while it runs",
        "on the version before, the same change ends connections";
    RELOAD_REMOVED = "reload-removed", Major,
        "the port no longer takes new configuration while it runs",
        "`homeport config set` at noon ends everybody's connections";
    RELOAD_TIME_CHANGED = "reload-time-changed", Patch,
        "a reload may take another time",
        "only the host waits for it";
    LOG_FORMAT_CHANGED = "log-format-changed", Major,
        "the log has another form",
        "a program that reads it line by line does not understand it";
    SYSLOG_CHANGED = "log-syslog-changed", Patch,
        "the port writes to `/dev/log`, or does not any more",
        "the lines come out in the same log";
    RESOURCES_RAISED = "resources-raised", Minor,
        "the port needs more of the machine",
        "a machine that was just enough is not any more";
    RESOURCES_LOWERED = "resources-lowered", Patch,
        "the port needs less of the machine",
        "whoever had enough before has enough now";
}

pub(super) fn compare(old: &Manifest, new: &Manifest, found: &mut Found) {
    let ready = (&READY_LOWERED, &READY_RAISED);
    found.moved(ready, "/health/ready_seconds", Some(&old.ready_within), Some(&new.ready_within));
    let shown = |time: Option<Seconds>| time.map(|time| time.to_string());
    if old.watchdog != new.watchdog {
        found.add(&WATCHDOG_CHANGED, "/health/watchdog_seconds", shown(old.watchdog), shown(new.watchdog));
    }
    let stop = (&STOP_LOWERED, &STOP_RAISED);
    found.moved(stop, "/stop/timeout_seconds", Some(&old.stop_within), Some(&new.stop_within));
    let reload = if new.reload_within.is_some() { &RELOAD_ADDED } else { &RELOAD_REMOVED };
    found.unequal(reload, "/reload/supported", &old.reload_within.is_some(), &new.reload_within.is_some());
    if let (Some(was), Some(is)) = (old.reload_within, new.reload_within) {
        found.unequal(&RELOAD_TIME_CHANGED, "/reload/timeout_seconds", &was, &is);
    }
    found.unequal(&LOG_FORMAT_CHANGED, "/logs/format", &old.log_format.word(), &new.log_format.word());
    found.unequal(&SYSLOG_CHANGED, "/logs/syslog", &old.syslog, &new.syslog);
    let (was, is) = (&old.resources, &new.resources);
    let need = (&RESOURCES_LOWERED, &RESOURCES_RAISED);
    let at = |field: &str| format!("/resources/{field}");
    found.moved(need, at("memory_min_bytes"), was.memory_min.as_ref(), is.memory_min.as_ref());
    found.moved(need, at("memory_recommended_bytes"), Some(&was.memory_limit), Some(&is.memory_limit));
    found.moved(need, at("pids_max"), Some(&was.pids_max), Some(&is.pids_max));
    found.moved(need, at("nofile"), Some(&was.nofile), Some(&is.nofile));
    found.moved(need, at("shm_bytes"), was.shm.as_ref(), is.shm.as_ref());
}
