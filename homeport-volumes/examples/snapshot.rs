//! A snapshot of any directory as its one volume `data`, without an instance, a ledger or an engine: for benchmarks, crash
//! tests and a look at what the library does. Never for a volume of HomePort's: `homeport snapshot` checks it first.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use homeport_core::name::VolumeName;
use homeport_core::unit::{Format, Gid, Mode as FileMode, Uid};
use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{Devices, Stored, take_out};
use homeport_volumes::snapshot::{self, About, Base, Depth, Mode, Subject, Taking, Verification};
use homeport_volumes::store::{Compression, Consistency, Reason, SnapshotHead, SnapshotUuid, Store};
use homeport_volumes::tree::TreePath;
use homeport_volumes::{Generation, Owner, RootId, UnixSeconds, VolumeUuid};

const USAGE: &str = "wanted: snapshot create STORE [--none] | take STORE DIR [--still] [--warm] [--previous latest] | \
                     list STORE | verify STORE [--presence] | rehearse STORE ID SCRATCH | restore STORE ID DIR | \
                     diff STORE ID ID | live STORE ID DIR | export STORE ID FILE | import STORE FILE | collect STORE";

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            let _gone = writeln!(std::io::stderr(), "snapshot: {text}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Outcome<ExitCode> {
    match args {
        ["create", store] => drop(Store::create(&std::path::absolute(store)?, Compression::Zstd, seconds())?),
        ["create", store, "--none"] => drop(Store::create(&std::path::absolute(store)?, Compression::None, seconds())?),
        ["take", store, dir, options @ ..] => take(store, dir, options)?,
        ["list", store] => list(store)?,
        ["verify", store] => return verify(store, Depth::Objects),
        ["verify", store, "--presence"] => return verify(store, Depth::Presence),
        ["diff", store, old, new] => {
            let store = open(store)?;
            let (old, new) = (find(&store, old)?, find(&store, new)?);
            let part = |head: &SnapshotHead| head.body.volumes.first().map(|part| part.entries).ok_or("no volume");
            let told =
                &mut |difference: snapshot::Difference| say(&format!("{:?} {}", difference.change, difference.path));
            let compared = snapshot::diff(&store, &part(&old)?, &part(&new)?, told)?;
            say(&format!("{compared:?}"));
        }
        ["live", store, id, dir] => {
            let store = open(store)?;
            let head = find(&store, id)?;
            let part = head.body.volumes.first().ok_or("no volume")?;
            with_subject(dir, |subject| {
                let told = &mut |difference: snapshot::Difference| {
                    say(&format!("{:?} {}", difference.change, difference.path))
                };
                let compared = snapshot::diff_with_live(&store, &part.entries, subject, told, &Silent)?;
                say(&format!("{compared:?}"));
                Ok(())
            })?;
        }
        ["export", store, id, file] => {
            let store = open(store)?;
            let head = find(&store, id)?;
            let mut out = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create_new(file)?);
            say(&format!("{:?}", snapshot::export(&store, &head, &mut out, &Silent)?));
        }
        ["import", store, file] => {
            let store = open(store)?;
            let writer = store.writer(Duration::ZERO, &mut |_| {})?;
            let mut input = std::io::BufReader::with_capacity(1 << 20, std::fs::File::open(file)?);
            let imported = snapshot::import(&store, writer, &mut input, &Silent)?;
            say(&format!("imported {} as {}", imported.head.body.uuid, imported.head.sequence));
        }
        ["rehearse", store, id, scratch] => {
            let store = open(store)?;
            say(&snapshot::rehearse(&store, &find(&store, id)?, &std::path::absolute(scratch)?, &Silent)?.to_string());
        }
        ["restore", store, id, dir] => {
            let store = open(store)?;
            let head = find(&store, id)?;
            let part = head.body.volumes.first().ok_or("the snapshot has no volume")?;
            let objects = store.objects()?;
            let source = Stored::new(&store, &objects, part.entries);
            let built = take_out(&source, &TreePath::root(), &std::path::absolute(dir)?, Devices::Make, &Silent)?;
            say(&format!("restored {} entries, {} bytes", built.entries, built.bytes));
        }
        ["collect", store] => {
            let store = open(store)?;
            say(&format!("{:?}", store.path()));
        }
        _ => return Err(USAGE.into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn take(store: &str, dir: &str, options: &[&str]) -> Outcome<()> {
    let known = ["--still", "--warm", "--previous", "latest"];
    if let Some(other) = options.iter().find(|option| !known.contains(option)) {
        return Err(format!("`{other}` is no option; {USAGE}").into());
    }
    let still = options.contains(&"--still");
    let store = open(store)?;
    let latest = store.catalog()?.snapshots.pop().map(Box::new);
    let base = match latest {
        Some(head) if options.contains(&"--previous") => Base::Parent(head),
        Some(head) => Base::ReadAll(head),
        None => Base::None,
    };
    let writer = store.writer(Duration::ZERO, &mut |_| {})?;
    let mut taking = Taking::begin(&store, writer, base);
    with_subject(dir, |subject| {
        if options.contains(&"--warm") {
            let warmed = taking.warm(subject, &Silent)?;
            say(&format!(
                "warm files {} bytes {} unchanged {}",
                warmed.files_read, warmed.bytes_read, warmed.unchanged
            ));
        }
        taking.read(subject, if still { Mode::Still } else { Mode::Running }, &Silent)?;
        Ok(())
    })?;
    let taken = taking.commit(about(if still { Consistency::Stopped } else { Consistency::Running })?)?;
    let (_, volume) = taken.volumes.first().ok_or("no volume was read")?;
    say(&format!("snapshot {} {}", taken.head.sequence, taken.head.body.uuid));
    say(&format!("entries {} bytes {}", volume.entries.count, volume.entries.bytes));
    say(&format!("read files {} bytes {} unchanged {}", volume.files_read, volume.bytes_read, volume.unchanged));
    say(&format!("stored objects {} bytes {} disk {}", taken.sealed.objects, taken.sealed.bytes, taken.sealed.stored));
    say(&format!("unstable {} vanished {} {:?}", volume.unstable_count, volume.vanished, volume.calm));
    for alarm in &taken.head.body.alarms {
        say(&format!("alarm {}", snapshot::alarm_text(alarm)));
    }
    say(&taken.verified.to_string());
    Ok(())
}

fn list(store: &str) -> Outcome<()> {
    let catalog = open(store)?.catalog()?;
    for head in &catalog.snapshots {
        let volumes: Vec<_> = head.body.volumes.iter().map(|v| format!("{} {} {}", v.name, v.count, v.bytes)).collect();
        say(&format!("{} {} {} {}", head.sequence, head.body.uuid, head.body.consistency, volumes.join(" ")));
    }
    for (file, fault) in &catalog.damaged {
        say(&format!("damaged {file}: {fault}"));
    }
    Ok(())
}

fn verify(store: &str, depth: Depth) -> Outcome<ExitCode> {
    let store = open(store)?;
    let catalog = store.catalog()?;
    let mut code = if catalog.damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    for (file, fault) in &catalog.damaged {
        say(&format!("damaged {file}: {fault}"));
    }
    for head in &catalog.snapshots {
        let Verification { verified, faults, .. } = snapshot::verify(&store, head, depth, &Silent)?;
        faults.iter().for_each(|fault| say(&format!("{} {fault}", fault.code)));
        match verified {
            Some(verified) => say(&verified.to_string()),
            None => code = ExitCode::FAILURE,
        }
    }
    Ok(code)
}

fn find(store: &Store, id: &str) -> Outcome<SnapshotHead> {
    let mut catalog = store.catalog()?;
    if id == "latest" {
        return catalog.snapshots.pop().ok_or_else(|| "there is no snapshot".into());
    }
    let uuid: SnapshotUuid = id.parse()?;
    catalog.find(&uuid).cloned().ok_or_else(|| format!("there is no snapshot `{id}`").into())
}

fn with_subject(dir: &str, read: impl FnOnce(&Subject<'_>) -> Outcome<()>) -> Outcome<()> {
    use std::os::unix::fs::MetadataExt as _;
    let data = std::fs::File::open(dir)?;
    let found = data.metadata()?;
    let name: VolumeName = "data".to_owned().try_into()?;
    read(&Subject {
        name: &name,
        uuid: VolumeUuid::from_bytes([0; 16]),
        format: Format::new(1),
        generation: Generation::new(1),
        owner: Owner {
            uid: Uid::new(found.uid()),
            gid: Gid::new(found.gid()),
            mode: FileMode::new(found.mode() & 0o7777),
        },
        data: data.as_fd(),
    })
}

fn about(consistency: Consistency) -> Outcome<About> {
    Ok(About {
        root: RootId::from_bytes([0; 4]),
        instance: "example".to_owned().try_into()?,
        port: "example".to_owned().try_into()?,
        version: "0.0.0".to_owned(),
        image: None,
        manifest: None,
        configuration: None,
        reason: Reason::Manual,
        consistency,
        note: None,
    })
}

fn open(store: &str) -> Outcome<Store> {
    Ok(Store::open(&std::path::absolute(store)?)?)
}

fn seconds() -> UnixSeconds {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixSeconds::new(since.map_or(0, |since| since.as_secs()))
}

fn say(text: &str) {
    let _gone = writeln!(std::io::stdout(), "{text}");
}
