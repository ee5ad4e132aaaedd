//! Owns the rules that make a wire manifest a checked one; every broken rule is found, not the first.
//! Never reads bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::check_config::{keys, version};
use super::read::Pointer;
use super::shape::{Findings, is_within};
use super::value::{
    Access, Backup, Class, Command, Criticality, DefaultPublic, Endpoint, Exposure, Hooks, LogFormat, Manifest,
    Overlap, Port, Privileges, ProxyProtocol, Resources, RootFs, Schedule, Service, Tls, Tmpfs, Transport, Volume,
    When,
};
use super::{check_chain, wire};
use crate::fault::Fault;
use crate::name::{CommandName, VolumeName};
use crate::unit::{Bytes, Format, Gid, Inodes, Mode, PortNumber, Seconds, Uid};

/// The memory limit where neither the manifest nor the operator sets one.
const DEFAULT_MEMORY: u64 = 256 << 20;
/// Capabilities that every init gets: it has to start services as other users and to stop them. [spec: MAN-22]
const INIT_CAPABILITIES: [&str; 3] = ["SETUID", "SETGID", "KILL"];
/// Capabilities that no port gets: each is as good as root on the host. [spec: MAN-22]
const REFUSED_CAPABILITIES: [&str; 10] = [
    "SYS_ADMIN",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_PTRACE",
    "SYS_BOOT",
    "DAC_READ_SEARCH",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "BPF",
    "PERFMON",
];
/// Capabilities that a port can declare, beside those that every init gets.
const KNOWN_CAPABILITIES: [&str; 22] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "SETFCAP",
    "SETPCAP",
    "SYS_CHROOT",
    "SYS_NICE",
];

/// Checks every rule. [spec: MAN-4]
pub(super) fn check(wire: wire::Manifest) -> Result<Manifest, Vec<Fault>> {
    let root = Pointer::default();
    let mut findings = Findings::default();
    let f = &mut findings;
    let protocol = wire.protocol.parse();
    if protocol.is_err() {
        f.add("HP-MAN-015", "MAN-2", &root.child("protocol"), "`/protocol` is not a protocol version".to_owned())
            .set_expected("MAJOR.MINOR");
    }
    let port = port(wire.port, &root.child("port"), f);
    let config = keys(wire.config, &root.child("config"), f);
    let volumes = f.map(wire.volumes, &root.child("volumes"), volume);
    let migrations = check_chain::migrations(wire.migrations, &volumes, &root.child("migrations"), f);
    let endpoints = f.map(wire.endpoints, &root.child("endpoints"), endpoint);
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
    let schedules = f.map(wire.schedules, &root.child("schedules"), |wire, at, f| schedule(wire, &commands, at, f));
    let hooks = hooks(wire.hooks, &commands, &root.child("hooks"), f);
    let privileges = privileges(wire.privileges, &root.child("privileges"), f);
    let resources = resources(wire.resources, &root.child("resources"), f);
    places(&volumes, &privileges.tmpfs, &root, f);
    same_port_twice(&endpoints, &root.child("endpoints"), f);
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
    if wire.title.trim().is_empty() || wire.title.chars().count() > 80 {
        f.add("HP-MAN-016", "MAN-5", &at.child("title"), "`/port/title` is empty or too long".to_owned())
            .set_expected("1 to 80 characters");
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
    f.container_path(&wire.path, &at.child("path"), "VOL-2");
    let mode = mode(&wire.mode, &at.child("mode"), f);
    let min_format = wire.min_format.unwrap_or(wire.format);
    if wire.format == 0 || min_format == 0 || min_format > wire.format {
        let fault = f.add("HP-MAN-030", "VOL-3", at, format!("`{}` has formats that do not fit", at.text()));
        fault.set_actual(format!("format {}, min_format {min_format}", wire.format));
        fault.set_expected("format at least 1, min_format from 1 to format");
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

fn mode(text: &str, at: &Pointer, f: &mut Findings) -> Option<Mode> {
    let mode = Mode::parse(text);
    if mode.is_none() {
        let fault = f.add("HP-MAN-032", "MAN-12", at, format!("`{}` is not a mode", at.text()));
        fault.set_actual(format!("`{}`", crate::text::clip(text, 20)));
        fault.set_expected("four octal digits, the first one 0: `0700`");
    }
    mode
}

fn endpoint(wire: wire::Endpoint, at: &Pointer, f: &mut Findings) -> Option<Endpoint> {
    if wire.port == 0 {
        f.add("HP-MAN-033", "END-1", &at.child("port"), format!("`{}` is 0", at.child("port").text()))
            .set_expected("a number from 1 to 65535");
    }
    let exposure = wire.exposure.unwrap_or(Exposure::Internal);
    let default_public = match wire.default_public.as_deref() {
        None => Some(DefaultPublic::None),
        Some("random") => Some(DefaultPublic::Random),
        Some(text) => text.parse().ok().filter(|port| *port > 0).map(|port| DefaultPublic::Port(PortNumber::new(port))),
    };
    if default_public.is_none() {
        let at = at.child("default_public");
        f.add("HP-MAN-034", "END-4", &at, format!("`{}` is not a public port", at.text()))
            .set_expected("a number from 1 to 65535 as text, or `random`");
    }
    if exposure == Exposure::Internal && wire.default_public.is_some() {
        let message = format!("`{}` is internal and has a public port", at.text());
        f.add("HP-MAN-035", "END-4", at, message).set_expected("exposure `lan` or `public`, or no `default_public`");
    }
    if let Some(http) = &wire.http
        && (wire.protocol != "http"
            || !http.path.starts_with('/')
            || http.path.chars().any(|c| c.is_control() || c == ' '))
    {
        let message = format!("`{}` can't be asked over HTTP", at.text());
        f.add("HP-MAN-036", "END-7", &at.child("http"), message)
            .set_expected("protocol `http` and a path that starts with `/`");
    }
    Some(Endpoint {
        port: PortNumber::new(wire.port),
        transport: wire.transport.unwrap_or(Transport::Tcp),
        protocol: wire.protocol,
        exposure,
        tls: wire.tls.unwrap_or(Tls::None),
        proxy_protocol: wire.proxy_protocol.unwrap_or(ProxyProtocol::None),
        default_public: default_public?,
        http_path: wire.http.map(|http| http.path),
        summary: wire.summary.unwrap_or_default(),
    })
}

fn same_port_twice(endpoints: &BTreeMap<crate::name::EndpointName, Endpoint>, at: &Pointer, f: &mut Findings) {
    let mut taken = BTreeMap::new();
    for (name, endpoint) in endpoints {
        if let Some(other) = taken.insert((endpoint.transport, endpoint.port), name) {
            let port = endpoint.port;
            let message = format!("`{name}` and `{other}` both listen on {port}/{}", endpoint.transport.word());
            f.add("HP-MAN-037", "END-1", &at.child(name.as_str()), message);
        }
    }
}

fn schedule(
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
    let command = known_command(&wire.command, commands, &at.child("command"), f);
    Some(Schedule {
        cron: wire.cron,
        tz: wire.tz.unwrap_or_else(|| "UTC".to_owned()),
        command: command?,
        within: Seconds::new(wire.max_seconds.unwrap_or(3600)),
        overlap: wire.overlap.unwrap_or(Overlap::Skip),
        jitter: Seconds::new(wire.jitter_seconds.unwrap_or(0)),
    })
}

fn known_command(
    text: &str,
    commands: &BTreeMap<CommandName, Command>,
    at: &Pointer,
    f: &mut Findings,
) -> Option<CommandName> {
    let name: CommandName = f.name(text, at)?;
    if commands.contains_key(&name) {
        return Some(name);
    }
    f.add("HP-MAN-039", "MAN-17", at, format!("`{}` names a command that is not declared", at.text()))
        .set_actual(format!("`{name}`"));
    None
}

fn hooks(
    wire: Option<wire::Hooks>,
    commands: &BTreeMap<CommandName, Command>,
    at: &Pointer,
    f: &mut Findings,
) -> Hooks {
    let Some(wire) = wire else { return Hooks::default() };
    let mut known =
        |text: Option<String>, field: &str| text.and_then(|text| known_command(&text, commands, &at.child(field), f));
    Hooks {
        freeze: known(wire.freeze, "freeze"),
        thaw: known(wire.thaw, "thaw"),
        post_restore: known(wire.post_restore, "post_restore"),
        selftest: known(wire.selftest, "selftest"),
    }
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

fn privileges(wire: Option<wire::Privileges>, at: &Pointer, f: &mut Findings) -> Privileges {
    let mut capabilities: BTreeSet<String> = INIT_CAPABILITIES.iter().map(|cap| (*cap).to_owned()).collect();
    let Some(wire) = wire else {
        return Privileges {
            capabilities,
            root: RootFs::ReadOnly,
            tmpfs: vec![],
            devices: vec![],
            sysctls: BTreeMap::new(),
        };
    };
    for (n, capability) in wire.capabilities.into_iter().enumerate() {
        let at = at.child("capabilities").child(&n.to_string());
        if REFUSED_CAPABILITIES.contains(&capability.as_str()) {
            let message = format!("`{capability}` is as good as root on the host");
            f.add("HP-MAN-041", "MAN-22", &at, message).set_expected("a port that does without it");
        } else if !KNOWN_CAPABILITIES.contains(&capability.as_str()) && !capabilities.contains(&capability) {
            let fault = f.add("HP-MAN-042", "MAN-22", &at, format!("`{}` is not a capability", at.text()));
            fault.set_actual(format!("`{}`", crate::text::clip(&capability, 40)));
            fault.set_expected("a Linux capability in capitals, without `CAP_`");
        } else {
            capabilities.insert(capability);
        }
    }
    let mut tmpfs = Vec::new();
    for (n, wire) in wire.tmpfs.into_iter().enumerate() {
        let at = at.child("tmpfs").child(&n.to_string());
        f.container_path(&wire.path, &at.child("path"), "MAN-23");
        let text = wire.mode.unwrap_or_else(|| "0755".to_owned());
        let mode = if text == "1777" { Some(Mode::new(0o1777)) } else { mode(&text, &at.child("mode"), f) };
        if let Some(mode) = mode {
            tmpfs.push(Tmpfs { path: wire.path, size: Bytes::new(wire.size_bytes), mode });
        }
    }
    let root = if wire.read_only_root == Some(false) { RootFs::Writable } else { RootFs::ReadOnly };
    Privileges { capabilities, root, tmpfs, devices: wire.devices, sysctls: wire.sysctls }
}

/// No two volumes or memory file systems may stand in one another's place. [spec: VOL-4]
fn places(volumes: &BTreeMap<VolumeName, Volume>, tmpfs: &[Tmpfs], at: &Pointer, f: &mut Findings) {
    let volumes_at = at.child("volumes");
    let mut taken: Vec<(Pointer, &str)> = Vec::new();
    for (name, volume) in volumes {
        taken.push((volumes_at.child(name.as_str()), &volume.path));
    }
    for (n, (at, path)) in taken.iter().enumerate() {
        for (other_at, other) in &taken[..n] {
            if is_within(path, other) || is_within(other, path) {
                let message = format!("`{}` and `{}` stand in one another's place", at.text(), other_at.text());
                f.add("HP-MAN-043", "VOL-4", at, message).set_actual(format!("`{path}` and `{other}`"));
            }
        }
        for mount in tmpfs {
            if is_within(&mount.path, path) {
                let message = format!("a file system in memory would hide data of `{}`", at.text());
                f.add("HP-MAN-044", "VOL-4", at, message).set_actual(format!("`{}` in `{path}`", mount.path));
            }
        }
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
