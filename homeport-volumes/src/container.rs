//! Owns the last comparisons: what an image declares, and what a started container really sees. Pure, and never asks
//! the engine itself.

use std::path::Path;

use homeport_core::fault::Fault;

use crate::mountinfo::{Location, MountTable};

/// Whether the container whose `/proc/PID/mountinfo` is `text` sees at `target` the directory that was checked. A
/// container that does not must be killed before it gets traffic. [spec: VOL-26]
///
/// # Errors
/// What is mounted there instead.
pub fn compare_mount(text: &[u8], target: &str, expected: &Location) -> Result<(), Box<Fault>> {
    let fault = |actual: String| {
        let message = format!("the container does not see the volume that was checked at `{target}`");
        let fault = Fault::new("HP-VOL-002", format!("mounts.{target}"), message).clause("VOL-26");
        let wanted = format!("device {} with the directory `{}`", expected.device, expected.inner.display());
        let remedy = "something was mounted or moved during the start: find out what, and start the instance again";
        Box::new(fault.expected(wanted).actual(actual).remedy(remedy))
    };
    let table = MountTable::parse(text).map_err(|error| fault(error.to_string()))?;
    match table.at(Path::new(target)) {
        None => Err(fault("no mount there".to_owned())),
        Some(mount) if mount.location() == *expected => Ok(()),
        Some(mount) => Err(fault(format!("device {} with the directory `{}`", mount.device, mount.root.display()))),
    }
}

/// V14: the paths that an image declares as `VOLUME` and that nothing of `covered` (the manifest's volumes and tmpfs
/// mounts) is mounted exactly at. The engine would put an anonymous volume there, which the next container does not get;
/// one below a volume's path would even hide a part of the volume. [spec: VOL-27]
pub fn check_declared(declared: &[String], covered: &[&str]) -> Vec<Fault> {
    let plain = |path: &str| path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    let is_covered = |path: &str| covered.iter().any(|cover| plain(cover) == plain(path));
    let fault = |path: &String| {
        let message = format!("the image declares `VOLUME {path}` and the manifest has no volume there");
        let expected = covered.iter().map(|cover| format!("`{cover}`")).collect::<Vec<_>>().join(", ");
        Fault::new("HP-VOL-014", "image.volumes", message)
            .clause("VOL-27")
            .expected(if expected.is_empty() { "no `VOLUME`".to_owned() } else { format!("only {expected}") })
            .actual(format!("`{path}`"))
            .remedy(format!(
                "declare a volume or a tmpfs at `{path}` in the manifest, or build the image without that `VOLUME`; what \
                 is written there now would be lost with the container"
            ))
    };
    declared.iter().filter(|path| !is_covered(path)).map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mountinfo::DeviceNumber;

    #[test]
    fn what_the_container_sees_is_compared_by_device_and_directory() {
        let expected = Location { device: DeviceNumber { major: 7, minor: 1 }, inner: "/vol/data".into() };
        let seen = |line: &str| {
            compare_mount(format!("1 0 0:50 / / rw - overlay o rw\n{line}").as_bytes(), "/home", &expected)
        };
        assert_eq!(seen("2 1 7:1 /vol/data /home rw - ext4 a rw\n"), Ok(()));
        for (line, found) in [
            ("", "no mount there"),
            ("2 1 7:1 /vol/data /hom rw - ext4 a rw\n", "no mount there"),
            ("2 1 7:2 /vol/data /home rw - ext4 a rw\n", "device 7:2 with the directory `/vol/data`"),
            ("2 1 7:1 /vol /home rw - ext4 a rw\n", "device 7:1 with the directory `/vol`"),
            (
                "2 1 7:1 /vol/data /home rw - ext4 a rw\n3 2 0:9 / /home rw - tmpfs t rw\n",
                "device 0:9 with the directory `/`",
            ),
            ("junk\n", "line 2 of the mount table cannot be read: `junk`"),
        ] {
            let fault = seen(line).unwrap_err();
            assert_eq!((fault.code, fault.actual.as_str()), ("HP-VOL-002", found), "{line}");
            assert_eq!(fault.expected, "device 7:1 with the directory `/vol/data`");
        }
    }

    #[test]
    fn a_declared_volume_is_covered_only_by_a_mount_at_exactly_its_path() {
        for (declared, covered, faults) in [
            (vec![], vec![], 0),
            (vec!["/data"], vec!["/data"], 0),
            (vec!["/data/"], vec!["/data"], 0),
            (vec!["/data/sub"], vec!["/data"], 1),
            (vec!["/"], vec!["/data"], 1),
            (vec!["/data", "/var/lib/x", "/tmp"], vec!["/data", "/tmp"], 1),
            (vec!["/a", "/b"], vec![], 2),
        ] {
            let declared: Vec<String> = declared.into_iter().map(str::to_owned).collect();
            let found = check_declared(&declared, &covered);
            assert_eq!(found.len(), faults, "{declared:?} {covered:?}");
            assert!(found.iter().all(|fault| fault.code == "HP-VOL-014" && !fault.remedy.is_empty()));
        }
    }
}
