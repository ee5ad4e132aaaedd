//! Owns the guard: every declared volume is the very directory that the host expects there, or init goes no further.
//! Never makes, mends or fills anything. What it sees is gathered by `look`, what it thinks of it by `judge`.

use std::path::Path;

use homeport_core::entrypoint::{ExitStatus, ExpectedVolume, ExpectedVolumes};
use homeport_core::fault::Fault;
use homeport_core::manifest::{Manifest, Volume};
use homeport_core::name::VolumeName;

use super::report::{Failure, Report};

/// Whether a volume that cannot be written is a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It is: the port is about to run.
    Writable,
    /// It is not: the host mounts read-only for a check.
    Readable,
}

/// A directory as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    device: u64,
    inode: u64,
    uid: u32,
    gid: u32,
    writable: bool,
    free_bytes: u64,
    free_inodes: u64,
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sight {
    Directory(Found),
    Other,
    Nothing(String),
}

/// Reads what the host expects.
pub(crate) fn read_expected(path: &Path) -> Result<ExpectedVolumes, Failure> {
    let missing = |message: String, found: String| {
        let fault = Fault::new("HP-VOL-101", "volumes", message)
            .actual(found)
            .expected("the host's statement about every volume")
            .remedy("start the port with `homeport start`: only HomePort starts it with its volumes")
            .clause("VOL-20");
        Failure::new(ExitStatus::InputMissing, fault)
    };
    let name = path.display();
    let bytes = std::fs::read(path).map_err(|error| missing(format!("`{name}` cannot be read"), error.to_string()))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| missing(format!("`{name}` is not what the host writes"), error.to_string()))
}

/// Looks at each of these volumes and reports everything that is not as it has to be. [spec: VOL-20, VOL-21]
pub(crate) fn guard<'a>(
    volumes: impl Iterator<Item = (&'a VolumeName, &'a Volume)>,
    expected: &ExpectedVolumes,
    wanted: Wanted,
    report: &mut Report,
) {
    for (name, volume) in volumes {
        judge(name, volume, expected.get(name), &look(Path::new(&volume.path)), wanted, report);
    }
}

/// All volumes of a manifest.
pub(crate) fn guard_all(manifest: &Manifest, expected: &ExpectedVolumes, wanted: Wanted, report: &mut Report) {
    guard(manifest.volumes.iter(), expected, wanted, report);
}

fn look(path: &Path) -> Sight {
    let stat = match rustix::fs::lstat(path) {
        Ok(stat) => stat,
        Err(errno) => return Sight::Nothing(std::io::Error::from(errno).to_string()),
    };
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
        return Sight::Other;
    }
    let space = match rustix::fs::statvfs(path) {
        Ok(space) => space,
        Err(errno) => return Sight::Nothing(std::io::Error::from(errno).to_string()),
    };
    Sight::Directory(Found {
        device: stat.st_dev,
        inode: stat.st_ino,
        uid: stat.st_uid,
        gid: stat.st_gid,
        writable: !space.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
        // File systems that count no inodes (btrfs) say 0 of 0.
        free_inodes: if space.f_files == 0 { u64::MAX } else { space.f_favail },
    })
}

fn judge(
    name: &VolumeName,
    volume: &Volume,
    expected: Option<&ExpectedVolume>,
    sight: &Sight,
    wanted: Wanted,
    report: &mut Report,
) {
    let path = &volume.path;
    let fault = |code, message: String| Fault::new(code, format!("volumes.{name}"), message);
    let Some(expected) = expected.filter(|expected| expected.path == *path) else {
        let there = expected.map_or_else(|| "nothing".to_owned(), |expected| format!("`{}`", expected.path));
        let told = fault("HP-VOL-102", format!("the host says nothing of volume `{name}` at `{path}`"))
            .actual(there)
            .expected(format!("`{path}`"))
            .remedy("deploy the port again with this version of HomePort")
            .clause("VOL-20");
        return report.error(ExitStatus::InputMissing, told);
    };
    let found = match sight {
        Sight::Directory(found) => found,
        Sight::Other | Sight::Nothing(_) => {
            let actual = if let Sight::Nothing(why) = sight { why.clone() } else { "no directory".to_owned() };
            let told = fault("HP-VOL-103", format!("volume `{name}` is not at `{path}`"))
                .actual(actual)
                .expected(format!("the directory of volume {}", expected.uuid))
                .remedy("start the port with `homeport start`, which mounts its volumes")
                .clause("VOL-21");
            return report.error(ExitStatus::InputMissing, told);
        }
    };
    if (found.device, found.inode) != (expected.device, expected.inode) {
        let told = fault("HP-VOL-104", format!("another directory than volume `{name}` stands at `{path}`"))
            .actual(format!("device {} inode {}", found.device, found.inode))
            .expected(format!("device {} inode {} (volume {})", expected.device, expected.inode, expected.uuid))
            .remedy("nothing was read or written; `homeport volume check` says where the volume is")
            .clause("VOL-21");
        return report.error(ExitStatus::InputMissing, told);
    }
    format(name, volume, expected, report);
    if (found.uid, found.gid) != (volume.uid.get(), volume.gid.get()) {
        let told = fault("HP-VOL-107", format!("volume `{name}` has another owner"))
            .actual(format!("{}:{}", found.uid, found.gid))
            .expected(format!("{}:{}", volume.uid, volume.gid))
            .remedy(format!("on the host: `chown {}:{}` the volume's `data` directory", volume.uid, volume.gid))
            .clause("VOL-21");
        report.error(ExitStatus::NotPermitted, told);
    }
    if wanted == Wanted::Writable && !found.writable {
        let told = fault("HP-VOL-108", format!("volume `{name}` is mounted read-only"))
            .expected("a file system that can be written")
            .remedy("remount the disk read-write; `dmesg` says why if the kernel made it read-only")
            .clause("VOL-21");
        report.error(ExitStatus::CannotCreate, told);
    }
    for (what, free, least) in [
        ("bytes", found.free_bytes, volume.min_free_bytes.get()),
        ("inodes", found.free_inodes, volume.min_free_inodes.get()),
    ] {
        if free < least {
            let told = fault("HP-VOL-109", format!("volume `{name}` has too few free {what}"))
                .actual(free.to_string())
                .expected(format!("at least {least}"))
                .remedy("free space on the disk that holds the volume")
                .clause("VOL-21");
            report.error(ExitStatus::NoSpace, told);
        }
    }
}

fn format(name: &VolumeName, volume: &Volume, expected: &ExpectedVolume, report: &mut Report) {
    let subject = format!("volumes.{name}");
    let wanted = if volume.min_format == volume.format {
        format!("format {}", volume.format)
    } else {
        format!("format {} to {}", volume.min_format, volume.format)
    };
    if expected.format > volume.format {
        let told = Fault::new("HP-VOL-105", subject, format!("volume `{name}` was written by a newer version"))
            .actual(format!("format {}", expected.format))
            .expected(wanted)
            .remedy("deploy the newer version again, or restore a snapshot of the older format")
            .clause("VOL-21");
        report.error(ExitStatus::FormatNewer, told);
    } else if expected.format < volume.min_format {
        let told = Fault::new("HP-VOL-106", subject, format!("volume `{name}` has to be migrated first"))
            .actual(format!("format {}", expected.format))
            .expected(wanted)
            .remedy("`homeport upgrade` migrates it")
            .clause("VOL-21");
        report.error(ExitStatus::MigrationNeeded, told);
    }
}

#[cfg(test)]
mod tests {
    use homeport_core::manifest::parse;
    use homeport_core::unit::Format;

    use super::*;

    fn manifest() -> Manifest {
        parse(
            br#"{"protocol":"1.0","port":{"id":"test","version":"1.0.0","title":"T"},"volumes":{"home":
            {"path":"/data","format":3,"min_format":2,"uid":7,"gid":8,"mode":"0700",
             "min_free_bytes":100,"min_free_inodes":10}}}"#,
        )
        .unwrap()
    }

    fn expected() -> ExpectedVolume {
        ExpectedVolume {
            path: "/data".into(),
            uuid: "u".into(),
            format: Format::new(3),
            device: 1,
            inode: 2,
            new: false,
        }
    }

    const SOUND: Found =
        Found { device: 1, inode: 2, uid: 7, gid: 8, writable: true, free_bytes: 100, free_inodes: 10 };

    type Row = (Option<ExpectedVolume>, Sight, Wanted, Vec<(u8, &'static str)>);

    fn verdict(expected: Option<&ExpectedVolume>, sight: &Sight, wanted: Wanted) -> Vec<(u8, &'static str)> {
        let manifest = manifest();
        let (name, volume) = manifest.volumes.iter().next().unwrap();
        let mut report = Report::default();
        judge(name, volume, expected, sight, wanted, &mut report);
        let Err(failure) = report.into_result() else { return Vec::new() };
        failure.problems().iter().map(|p| (p.status.code(), p.fault.code)).collect()
    }

    #[test]
    fn only_the_expected_directory_passes_and_each_fault_has_its_code() {
        use Wanted::{Readable, Writable};
        let dir = Sight::Directory;
        let with = |format| Some(ExpectedVolume { format: Format::new(format), ..expected() });
        let rows: Vec<Row> = vec![
            (Some(expected()), dir(SOUND), Writable, vec![]),
            (with(2), dir(SOUND), Writable, vec![]),
            (None, dir(SOUND), Writable, vec![(66, "HP-VOL-102")]),
            (
                Some(ExpectedVolume { path: "/other".into(), ..expected() }),
                dir(SOUND),
                Writable,
                vec![(66, "HP-VOL-102")],
            ),
            (Some(expected()), Sight::Nothing("gone".into()), Writable, vec![(66, "HP-VOL-103")]),
            (Some(expected()), Sight::Other, Writable, vec![(66, "HP-VOL-103")]),
            (Some(expected()), dir(Found { inode: 3, ..SOUND }), Writable, vec![(66, "HP-VOL-104")]),
            (Some(expected()), dir(Found { device: 3, uid: 0, ..SOUND }), Writable, vec![(66, "HP-VOL-104")]),
            (with(4), dir(SOUND), Writable, vec![(80, "HP-VOL-105")]),
            (with(1), dir(SOUND), Writable, vec![(81, "HP-VOL-106")]),
            (Some(expected()), dir(Found { gid: 0, ..SOUND }), Writable, vec![(77, "HP-VOL-107")]),
            (Some(expected()), dir(Found { writable: false, ..SOUND }), Writable, vec![(73, "HP-VOL-108")]),
            (Some(expected()), dir(Found { writable: false, ..SOUND }), Readable, vec![]),
            (Some(expected()), dir(Found { free_bytes: 99, ..SOUND }), Writable, vec![(84, "HP-VOL-109")]),
            (Some(expected()), dir(Found { free_inodes: 9, ..SOUND }), Writable, vec![(84, "HP-VOL-109")]),
            (
                with(4),
                dir(Found { uid: 0, writable: false, ..SOUND }),
                Writable,
                vec![(80, "HP-VOL-105"), (77, "HP-VOL-107"), (73, "HP-VOL-108")],
            ),
        ];
        for (expected, sight, wanted, codes) in rows {
            assert_eq!(verdict(expected.as_ref(), &sight, wanted), codes, "{expected:?} {sight:?}");
        }
    }

    #[test]
    fn a_link_to_the_right_directory_is_not_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        assert!(matches!(look(dir.path()), Sight::Directory(_)));
        assert_eq!(look(&link), Sight::Other);
        assert!(matches!(look(&dir.path().join("none")), Sight::Nothing(_)));
    }

    #[test]
    fn what_the_host_did_not_write_is_an_input_that_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("volumes.json");
        assert_eq!(read_expected(&path).unwrap_err().status(), ExitStatus::InputMissing);
        for bad in ["", "[]", r#"{"home":{"path":"/x"}}"#] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(read_expected(&path).unwrap_err().status(), ExitStatus::InputMissing, "{bad}");
        }
    }
}
