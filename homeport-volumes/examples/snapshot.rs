//! Snapshots of a directory, for benchmarks: what `homeport snapshot` does with the volumes of an instance, without an
//! instance. Never part of what is installed.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use homeport_core::name::{InstanceName, PortId, VolumeName};
use homeport_core::unit::{Format, Gid, Mode as Permissions, Uid};
use homeport_volumes::progress::Silent;
use homeport_volumes::restore::{Devices, Stored, Top, build, compare};
use homeport_volumes::snapshot::{About, Base, Depth, Mode, Subject, Taking, verify};
use homeport_volumes::store::{Compression, Consistency, Reason, SnapshotHead, Store};
use homeport_volumes::{Generation, Owner, RootId, UnixSeconds, VolumeUuid};
use rustix::fs::{CWD, Mode as FileMode, OFlags, openat};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "wanted: snapshot create none|zstd STORE | take running|still STORE DIR | verify STORE | \
                     restore|build STORE TARGET";

/// What is compared with the snapshot after a restore.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparing {
    Everything,
    Nothing,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(said) => {
            let _gone = writeln!(std::io::stdout(), "{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _gone = writeln!(std::io::stderr(), "snapshot: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                let _gone = writeln!(std::io::stderr(), "  cause: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Outcome<String> {
    match *args {
        ["create", "none", store] => create(Path::new(store), Compression::None),
        ["create", "zstd", store] => create(Path::new(store), Compression::Zstd),
        ["take", "running", store, dir] => take(Path::new(store), Path::new(dir), Mode::Running),
        ["take", "still", store, dir] => take(Path::new(store), Path::new(dir), Mode::Still),
        ["verify", store] => prove(Path::new(store)),
        ["restore", store, target] => restore(Path::new(store), Path::new(target), Comparing::Everything),
        ["build", store, target] => restore(Path::new(store), Path::new(target), Comparing::Nothing),
        _ => Err(USAGE.into()),
    }
}

fn create(store: &Path, compression: Compression) -> Outcome<String> {
    let now = UnixSeconds::new(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
    Store::create(store, compression, now)?;
    Ok("created".to_owned())
}

/// Takes a snapshot of a directory, based on the newest one in the store.
fn take(store: &Path, dir: &Path, mode: Mode) -> Outcome<String> {
    let store = Store::open(store)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let data = openat(CWD, dir, flags, FileMode::empty())?;
    let name: VolumeName = "data".parse()?;
    let subject = Subject {
        name: &name,
        // One store, one volume: which one does not matter.
        uuid: VolumeUuid::from_bytes([7; 16]),
        format: Format::new(1),
        generation: Generation::new(1),
        owner: Owner { uid: Uid::new(0), gid: Gid::new(0), mode: Permissions::new(0o755) },
        data: data.as_fd(),
    };
    let base = store.catalog()?.snapshots.pop().map_or(Base::None, |head| Base::Parent(Box::new(head)));
    let writer = store.writer(Duration::ZERO, &mut |_| {})?;
    let mut taking = Taking::begin(&store, writer, base);
    taking.read(&subject, mode, &Silent)?;
    let instance: InstanceName = "bench".parse()?;
    let port: PortId = "bench".parse()?;
    let taken = taking.commit(About {
        root: RootId::from_bytes([0; 4]),
        instance,
        port,
        version: "1.0.0".to_owned(),
        image: None,
        manifest: None,
        configuration: None,
        reason: Reason::Manual,
        consistency: if mode == Mode::Still { Consistency::Stopped } else { Consistency::Running },
        note: None,
    })?;
    let volume = &taken.head.body.volumes[0];
    let (packs, stored) = (taken.sealed.packs, taken.sealed.stored);
    Ok(format!("{} entries, {} bytes, {packs} new packs of {stored} bytes", volume.count, volume.bytes))
}

fn newest(store: &Store) -> Outcome<SnapshotHead> {
    Ok(store.catalog()?.snapshots.pop().ok_or("there is no snapshot")?)
}

fn prove(store: &Path) -> Outcome<String> {
    let store = Store::open(store)?;
    let found = verify(&store, &newest(&store)?, Depth::Objects, &Silent)?;
    match found.verified {
        Some(verified) => Ok(format!("{verified:?}")),
        None => Err(format!("{} faults, among them {:?}", found.total, found.faults.first()).into()),
    }
}

/// Builds the newest snapshot's tree in a new directory, syncs it and, if that is wanted, reads back and compares all of
/// it: what a restore does before it exchanges two directories.
fn restore(store: &Path, target: &Path, comparing: Comparing) -> Outcome<String> {
    let store = Store::open(store)?;
    let (objects, entries) = (store.objects()?, newest(&store)?.body.volumes[0].entries);
    std::fs::create_dir(target)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = openat(CWD, target, flags, FileMode::empty())?;
    let source = Stored::new(&store, &objects, entries);
    let built = build(top.as_fd(), &source, Devices::Make, &Silent)?;
    if comparing == Comparing::Nothing {
        return Ok(format!("{built:?}"));
    }
    Ok(format!("{:?}", compare(top.as_fd(), &source, Top::AsSaid, &Silent)?))
}
