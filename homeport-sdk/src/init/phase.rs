//! Owns carrying out the phase that the host asks for: reads what the phase needs, calls the port, ends with a code.
//! Never keeps services running: `supervise` does.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use homeport_core::config::Effective;
use homeport_core::entrypoint::{
    CONFIG_FILE, ENV_INSTANCE, ENV_PHASE, ENV_PROTOCOL, ExitStatus, ExpectedVolumes, Level, MANIFEST_FILE, Phase,
    Retry, SECRETS_DIR, STATUS_FILE, VOLUMES_FILE,
};
use homeport_core::fault::{Advice as _, Fault};
use homeport_core::manifest::{Manifest, parse};
use homeport_core::name::{CommandName, InstanceName};
use homeport_core::version::ProtocolVersion;

use super::clock;
use super::configuration;
use super::context::Context;
use super::kernel::{SignalQueue, close_on_exec_above_stderr};
use super::migrate::migrate;
use super::notify::Notifier;
use super::port::{CommandEnd, Port};
use super::record::Record;
use super::remains::Reach;
use super::report::{Failure, Report};
use super::supervise::{Parts, probe_patience, supervise};
use super::volume::{Wanted, guard_all, read_expected};

/// Says to the `health` phase that init itself asks, and that it wants to wait until the port serves.
pub(crate) const ENV_PROBE: &str = "HOMEPORT_INIT_PROBE";
/// A probe that failed tries again after this.
const PROBE_STEP: Duration = Duration::from_millis(10);
/// What of init's own environment a probe gets.
const INHERITED: [&str; 4] = [ENV_PROTOCOL, ENV_INSTANCE, ENV_PHASE, "TZ"];

/// Carries out the phase that the arguments name.
pub(crate) fn dispatch<P: Port>(port: &P) -> ExitCode {
    let args: Vec<String> = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let phase = match Phase::parse(&args) {
        Ok(phase) => phase,
        Err(error) => {
            let fault = Fault::new("HP-INIT-004", "phase", error.to_string()).clause("ENT-3");
            return code(Record::of_main("none").end(&Failure::new(ExitStatus::Usage, fault)));
        }
    };
    let record = match &phase {
        Phase::Describe => Record::quiet("describe"),
        Phase::Health | Phase::Command { .. } => Record::beside(phase.name()),
        Phase::Check | Phase::Migrate { .. } | Phase::Run => Record::of_main(phase.name()),
    };
    super::panic::tell_in(record.clone());
    match carry_out(port, phase, &record) {
        Ok(end) => ExitCode::from(end),
        Err(failure) => code(record.end(&failure)),
    }
}

fn code(status: ExitStatus) -> ExitCode {
    ExitCode::from(status.code())
}

fn carry_out<P: Port>(port: &P, phase: Phase, record: &Record) -> Result<u8, Failure> {
    let (bytes, manifest) = read_manifest()?;
    if phase == Phase::Describe {
        let mut stdout = std::io::stdout().lock();
        let fault = || Fault::new("HP-INIT-005", "describe", "the manifest cannot be written to standard output");
        return match stdout.write_all(&bytes).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(0),
            Err(error) => Err(Failure::from_io(fault(), &error)),
        };
    }
    let instance = greet(&manifest)?;
    match phase {
        Phase::Describe => Ok(0),
        Phase::Check => check(port, manifest, instance, record),
        Phase::Run => run(port, manifest, instance, record),
        Phase::Health => health(port, manifest, instance, record),
        Phase::Command { name, args } => command(port, manifest, instance, &name, &args),
        Phase::Migrate { volume, from, to } => {
            record.begin();
            migrate(port, &manifest, &volume, from, to)
        }
    }
}

/// The manifest's bytes and what they say. [spec: MAN-1]
fn read_manifest() -> Result<(Vec<u8>, Manifest), Failure> {
    let internal = |fault: Fault| Failure::new(ExitStatus::Internal, fault);
    let bytes = std::fs::read(MANIFEST_FILE).map_err(|error| {
        let fault = Fault::new("HP-INIT-006", "manifest", format!("`{MANIFEST_FILE}` cannot be read"));
        internal(fault.actual(error.to_string()).clause("MAN-1"))
    })?;
    let manifest = parse(&bytes).map_err(|error| {
        let mut report = Report::default();
        for fault in error.faults() {
            report.error(ExitStatus::Internal, fault.clone());
        }
        let whole = Fault::new(error.code(), "manifest", error.to_string()).remedy(error.help().unwrap_or_default());
        report.into_result().err().unwrap_or_else(|| internal(whole))
    })?;
    Ok((bytes, manifest))
}

/// Whether the host and this port can talk, and which instance this is. [spec: ENT-7]
fn greet(manifest: &Manifest) -> Result<InstanceName, Failure> {
    let said = std::env::var(ENV_PROTOCOL).unwrap_or_default();
    let host: Option<ProtocolVersion> = said.parse().ok();
    if !host.is_some_and(|host| host.understands(manifest.protocol)) {
        let shown = if said.is_empty() { "nothing".to_owned() } else { homeport_core::text::clip(&said, 40) };
        let fault = Fault::new("HP-INIT-007", ENV_PROTOCOL, "the host and the port do not speak the same protocol")
            .actual(shown)
            .expected(format!("a host that speaks protocol {}", manifest.protocol))
            .remedy(
                "upgrade HomePort, or use a version of the port for this HomePort; ports are started by HomePort only",
            )
            .clause("ENT-4");
        return Err(Failure::new(ExitStatus::Protocol, fault));
    }
    let name = std::env::var(ENV_INSTANCE).unwrap_or_default();
    name.parse::<InstanceName>().map_err(|error| {
        let fault = Fault::new("HP-INIT-008", ENV_INSTANCE, error.to_string()).clause("ENT-7");
        Failure::new(ExitStatus::InputMissing, fault)
    })
}

/// The configuration that the host wrote, checked by the manifest.
pub(crate) fn read_config(manifest: &Manifest) -> Result<Effective, Failure> {
    configuration::read(&manifest.config, Path::new(CONFIG_FILE), Path::new(SECRETS_DIR))
}

/// The variables of init's own environment that a probe needs.
pub(crate) fn inherited_env() -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for name in INHERITED {
        if let Ok(value) = std::env::var(name) {
            env.insert(name.to_owned(), value);
        }
    }
    env
}

/// The time zone's name as the host gives it; `UTC` where it gives none, or one that is no name.
fn time_zone() -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
    std::env::var("TZ").ok().filter(|tz| !tz.is_empty() && tz.chars().all(plain)).unwrap_or_else(|| "UTC".to_owned())
}

/// What the guard said of the volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Volumes {
    Sound,
    /// At least one is not what it has to be, or nobody looked.
    Unsound,
}

/// Everything that a port is told about its instance. With a look at the volumes where that is wanted; without volumes
/// that the manifest does not declare there is nothing to expect of the host.
fn context(
    manifest: Manifest,
    instance: InstanceName,
    guarded: Option<Wanted>,
    report: &mut Report,
) -> (Option<Context>, Volumes) {
    let expected = if manifest.volumes.is_empty() {
        Some(ExpectedVolumes::new())
    } else {
        report.keep(read_expected(Path::new(VOLUMES_FILE)))
    };
    let mut sight = Volumes::Unsound;
    if let (Some(expected), Some(wanted)) = (&expected, guarded) {
        guard_all(&manifest, expected, wanted, report);
        if report.is_clean() {
            sight = Volumes::Sound;
        }
    }
    let config = report.keep(read_config(&manifest));
    let cx = config.zip(expected).map(|(config, volumes)| Context {
        manifest: Rc::new(manifest),
        instance,
        config,
        volumes,
        tz: time_zone(),
    });
    (cx, sight)
}

/// Reports every problem and changes nothing. [spec: ENT-12]
fn check<P: Port>(port: &P, manifest: Manifest, instance: InstanceName, record: &Record) -> Result<u8, Failure> {
    examine(port, manifest, instance, Wanted::Readable, record).map(|_| 0)
}

/// Everything that can be found out before the port is prepared, with every fault.
fn examine<P: Port>(
    port: &P,
    manifest: Manifest,
    instance: InstanceName,
    wanted: Wanted,
    record: &Record,
) -> Result<Context, Failure> {
    let mut report = Report::default();
    let (cx, volumes) = context(manifest, instance, Some(wanted), &mut report);
    if let Some(cx) = &cx {
        port.check(cx, &mut report);
        if volumes == Volumes::Sound {
            port.check_volumes(cx, &mut report);
        }
    }
    for fault in report.warnings() {
        record.tell(Level::Warn, Retry::Never, fault);
    }
    require(cx, report)
}

/// The context, or every fault.
fn require(cx: Option<Context>, report: Report) -> Result<Context, Failure> {
    report.into_result()?;
    cx.ok_or_else(|| Failure::new(ExitStatus::Internal, Fault::new("HP-INIT-001", "init", "no context and no fault")))
}

fn run<P: Port>(port: &P, manifest: Manifest, instance: InstanceName, record: &Record) -> Result<u8, Failure> {
    // Signals first: a stop that comes during the preparation is not lost.
    let refused = |error: std::io::Error| {
        let fault = Fault::new("HP-INIT-009", "signals", "the signal queue cannot be made").actual(error.to_string());
        Failure::new(ExitStatus::OsRefused, fault)
    };
    let signals = SignalQueue::open().map_err(refused)?;
    close_on_exec_above_stderr();
    let reach = Reach::of_this_process();
    record.begin();
    let cx = examine(port, manifest, instance, Wanted::Writable, record)?;
    let notifier = Notifier::new(std::env::var_os("NOTIFY_SOCKET"));
    notifier.status("preparing");
    let services = port.prepare(&cx)?;
    let parts = Parts { signals, reach, notifier, record: record.clone() };
    match supervise(port, cx, services, parts) {
        Ok(()) => Ok(0),
        Err(failure) => Err(failure),
    }
}

/// Answers whether the port works, and prints its status. Init's own probe waits for a yes. [spec: ENT-13]
fn health<P: Port>(port: &P, manifest: Manifest, instance: InstanceName, record: &Record) -> Result<u8, Failure> {
    let is_probe = std::env::var_os(ENV_PROBE).is_some();
    let mut report = Report::default();
    let (cx, _) = context(manifest, instance, None, &mut report);
    let cx = require(cx, report)?;
    if is_probe {
        return Ok(probe(port, &cx, record));
    }
    // Whatever it found: the phase knows two answers.
    let healthy = port.health(&cx).map_err(|failure| as_only(ExitStatus::ServiceFailed, failure));
    if let Some(mut line) = status_line(healthy.as_ref().err()) {
        line.push(b'\n');
        drop(std::io::stdout().lock().write_all(&line));
    }
    healthy.map(|()| 0)
}

/// What the running init says of itself, and what the check found where that is worse. The file is init's own and is
/// changed as a document: its types would be a tenth of a small init.
fn status_line(unhealthy: Option<&Failure>) -> Option<Vec<u8>> {
    let bytes = std::fs::read(STATUS_FILE).ok()?;
    let Some(failure) = unhealthy else { return Some(bytes) };
    let mut status: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let members = status.as_object_mut()?;
    if members.get("condition").and_then(serde_json::Value::as_str) == Some("ready") {
        members.insert("condition".to_owned(), "degraded".into());
        members.insert("text".to_owned(), homeport_core::text::clip(&failure.to_string(), 300).into());
    }
    serde_json::to_vec(&status).ok()
}

/// Asks until the port serves. Why it does not yet is a warning: init goes on.
fn probe<P: Port>(port: &P, cx: &Context, record: &Record) -> u8 {
    let until = clock::monotonic() + probe_patience(cx.manifest());
    loop {
        match port.ready(cx) {
            Ok(()) => return 0,
            Err(failure) if clock::monotonic() >= until => {
                for problem in failure.problems() {
                    record.tell(Level::Warn, Retry::Backoff, &problem.fault);
                }
                return ExitStatus::ServiceFailed.code();
            }
            Err(_) => std::thread::sleep(PROBE_STEP),
        }
    }
}

fn command<P: Port>(
    port: &P,
    manifest: Manifest,
    instance: InstanceName,
    name: &CommandName,
    args: &[String],
) -> Result<u8, Failure> {
    if !manifest.commands.contains_key(name) {
        let offered: Vec<&str> = manifest.commands.keys().map(CommandName::as_str).collect();
        let fault = Fault::new("HP-INIT-012", "commands", format!("`{name}` is not a command of this port"))
            .expected(if offered.is_empty() { "none: it has no commands".into() } else { offered.join(", ") })
            .clause("ENT-6");
        return Err(Failure::new(ExitStatus::Usage, fault));
    }
    let mut report = Report::default();
    let (cx, _) = context(manifest, instance, Some(Wanted::Readable), &mut report);
    let cx = require(cx, report)?;
    match port.command(&cx, name, args)? {
        CommandEnd::Done => Ok(0),
        CommandEnd::Own(code) => Ok(code.get()),
    }
}

/// The same errors, for a phase whose code says one thing about all of them.
pub(crate) fn as_only(status: ExitStatus, failure: Failure) -> Failure {
    let mut report = Report::default();
    for problem in failure.problems() {
        report.error(status, problem.fault.clone());
    }
    report.into_result().err().unwrap_or(failure)
}
