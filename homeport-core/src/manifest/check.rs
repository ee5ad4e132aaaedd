//! Owns the rules that make a wire manifest a checked one; every broken rule is found, not the first.
//! Never reads bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::check_config::{keys, version};
use super::read::Pointer;
use super::shape::Findings;
use super::value::{
    Access, Backup, Class, Command, Criticality, LogFormat, Manifest, Port, Resources, Service, Volume, When, Writes,
};
use super::{check_chain, check_endpoint, check_privilege, check_work, wire};
use crate::fault::Fault;
use crate::name::CommandName;
use crate::unit::{Bytes, Format, Gid, Inodes, Mode, Seconds, Uid};

/// The memory limit where neither the manifest nor the operator sets one.
const DEFAULT_MEMORY: u64 = 256 << 20;
/// Checks every rule. [spec: MAN-4]
pub(super) fn check(wire: wire::Manifest) -> Result<Manifest, Vec<Fault>> {
    let root = Pointer::default();
    let mut findings = Findings::default();
    let f = &mut findings;
    let protocol = wire.protocol.parse();
    if protocol.is_err() {
        f.add("HP-MAN-015", "MAN-2", &root.child("protocol"), "`/protocol` is not a protocol version".to_owned())
            .set_expected("MAJOR.MINOR, for example `1.0`");
    }
    let port = port(wire.port, &root.child("port"), f);
    let config = keys(wire.config, &root.child("config"), f);
    let declared: BTreeSet<String> = wire.volumes.keys().cloned().collect();
    let volumes = f.map(wire.volumes, &root.child("volumes"), volume);
    let migrations = check_chain::migrations(wire.migrations, &declared, &volumes, &root.child("migrations"), f);
    let endpoints = f.map(wire.endpoints, &root.child("endpoints"), check_endpoint::endpoint);
    let services = f.map(wire.services, &root.child("services"), |wire: wire::Service, _, _| {
        let criticality = if wire.critical == Some(false) { Criticality::Optional } else { Criticality::Critical };
        Some(Service { criticality, uid: wire.uid.map(Uid::new), summary: wire.summary.unwrap_or_default() })
    });
    let commands: BTreeMap<CommandName, Command> =
        f.map(wire.commands, &root.child("commands"), |wire: wire::Command, _, _| {
            Some(Command {
                summary: wire.summary,
                when: wire.when.unwrap_or(When::Running),
                exclusive: wire.exclusive == Some(true),
                destructive: wire.destructive == Some(true),
                args: wire.args,
                within: Seconds::new(wire.max_seconds.unwrap_or(300)),
            })
        });
    let schedules =
        f.map(wire.schedules, &root.child("schedules"), |wire, at, f| check_work::schedule(wire, &commands, at, f));
    let hooks = check_work::hooks(wire.hooks, &commands, &root.child("hooks"), f);
    let privileges = check_privilege::privileges(wire.privileges, &root.child("privileges"), f);
    let resources = resources(wire.resources, &root.child("resources"), f);
    check_privilege::places(&volumes, &privileges.tmpfs, &root, f);
    check_endpoint::same_port_twice(&endpoints, &root.child("endpoints"), f);
    let upgrade = wire.upgrade;
    let upgrade_from = upgrade.as_ref().and_then(|u| u.from.as_deref()).and_then(|text| range(text, &root, f));
    let health = wire.health;
    let logs = wire.logs;
    let manifest = (|| {
        Some(Manifest {
            protocol: protocol.ok()?,
            port: port?,
            config,
            volumes,
            migrations,
            endpoints,
            services,
            schedules,
            commands,
            hooks,
            ready_within: Seconds::new(health.as_ref().and_then(|h| h.ready_seconds).unwrap_or(60)),
            watchdog: health.as_ref().and_then(|h| h.watchdog_seconds).map(Seconds::new),
            stop_within: Seconds::new(wire.stop.and_then(|s| s.timeout_seconds).unwrap_or(10)),
            reload_within: wire.reload.filter(|r| r.supported).map(|r| Seconds::new(r.timeout_seconds.unwrap_or(10))),
            log_format: logs.as_ref().and_then(|l| l.format).unwrap_or(LogFormat::Text),
            syslog: logs.is_some_and(|l| l.syslog == Some(true)),
            resources,
            privileges,
            upgrade_from,
            upgrade_notes: upgrade.map(|u| u.notes).unwrap_or_default(),
        })
    })();
    match manifest {
        Some(manifest) => {
            let faults = findings.into_faults();
            if faults.is_empty() { Ok(manifest) } else { Err(faults) }
        }
        None => Err(findings.into_faults()),
    }
}

fn port(wire: wire::Port, at: &Pointer, f: &mut Findings) -> Option<Port> {
    let id = f.name(&wire.id, &at.child("id"));
    let version = version(&wire.version, &at.child("version"), f);
    if !wire.title.is_empty() && wire.title.trim().is_empty() {
        f.add("HP-MAN-016", "MAN-32", &at.child("title"), "`/port/title` is blank".to_owned())
            .set_expected("a few words that name the port for people");
    }
    Some(Port {
        id: id?,
        version: version?,
        title: wire.title,
        summary: wire.summary.unwrap_or_default(),
        license: wire.license.unwrap_or_default(),
        source: wire.source.unwrap_or_default(),
        authors: wire.authors,
    })
}

fn volume(wire: wire::Volume, at: &Pointer, f: &mut Findings) -> Option<Volume> {
    f.container_path(&wire.path, &at.child("path"));
    let mode = mode(&wire.mode, &at.child("mode"), f);
    let min_format = wire.min_format.unwrap_or(wire.format);
    if min_format > wire.format {
        let fault = f.add("HP-MAN-030", "VOL-3", at, format!("`{}` has formats that do not fit", at.text()));
        fault.set_actual(format!("format {}, min_format {min_format}", wire.format));
        fault.set_expected("`min_format` at most `format`");
    }
    let class = wire.class.unwrap_or(Class::Data);
    if class == Class::Data && wire.backup == Some(Backup::Never) {
        let message = format!("`{}` holds data and is never part of a snapshot", at.text());
        f.add("HP-MAN-031", "VOL-2", at, message).set_expected("class `cache` or `scratch`, or another `backup`");
    }
    Some(Volume {
        path: wire.path,
        class,
        access: wire.access.unwrap_or(Access::Exclusive),
        writes: wire.writes.unwrap_or(Writes::Always),
        format: Format::new(wire.format),
        min_format: Format::new(min_format),
        uid: Uid::new(wire.uid),
        gid: Gid::new(wire.gid),
        mode: mode?,
        min_free_bytes: Bytes::new(wire.min_free_bytes.unwrap_or(0)),
        min_free_inodes: Inodes::new(wire.min_free_inodes.unwrap_or(0)),
        backup: wire.backup.unwrap_or(if class == Class::Data { Backup::Required } else { Backup::Never }),
        summary: wire.summary.unwrap_or_default(),
    })
}

pub(super) fn mode(text: &str, at: &Pointer, f: &mut Findings) -> Option<Mode> {
    let mode = Mode::parse(text);
    if mode.is_none() {
        let fault = f.add("HP-MAN-032", "MAN-12", at, format!("`{}` is not a mode", at.text()));
        fault.set_actual(format!("`{}`", crate::text::clip(text, 20)));
        fault.set_expected("four octal digits, the first one 0: `0700`");
    }
    mode
}

fn resources(wire: Option<wire::Resources>, at: &Pointer, f: &mut Findings) -> Resources {
    let wire = wire.unwrap_or(wire::Resources {
        memory_min_bytes: None,
        memory_recommended_bytes: None,
        pids_max: None,
        nofile: None,
        shm_bytes: None,
    });
    let limit = wire.memory_recommended_bytes.or(wire.memory_min_bytes).unwrap_or(DEFAULT_MEMORY);
    if limit < 8 << 20 || wire.memory_min_bytes.is_some_and(|min| min > limit) {
        let fault = f.add("HP-MAN-040", "MAN-21", at, "the memory limits do not fit".to_owned());
        fault.set_actual(format!("{limit} bytes, at least {}", wire.memory_min_bytes.unwrap_or(0)));
        fault.set_expected("memory_min_bytes <= memory_recommended_bytes, and at least 8388608");
    }
    Resources {
        memory_min: wire.memory_min_bytes.map(Bytes::new),
        memory_limit: Bytes::new(limit),
        pids_max: wire.pids_max.unwrap_or(256),
        nofile: wire.nofile.unwrap_or(4096),
        shm: wire.shm_bytes.map(Bytes::new),
    }
}

fn range(text: &str, at: &Pointer, f: &mut Findings) -> Option<semver::VersionReq> {
    let range = semver::VersionReq::parse(text);
    if range.is_err() {
        let at = at.child("upgrade").child("from");
        let fault = f.add("HP-MAN-045", "MAN-24", &at, format!("`{}` is not a range of versions", at.text()));
        fault.set_actual(format!("`{}`", crate::text::clip(text, 40)));
        fault.set_expected("for example `>=1.2, <3`");
    }
    range.ok()
}
