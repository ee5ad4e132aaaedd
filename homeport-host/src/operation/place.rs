//! Owns which directories of a machine are never a volume, whatever is in them. By the path alone: what else has a place
//! is asked with the volume's neighbours. Never looks at a disk.

use std::path::Path;

use homeport_core::fault::Fault;
use homeport_core::name::VolumeName;

use crate::layout::Layout;

/// What belongs to the system with everything below it.
const SYSTEM: &[&str] = &["/bin", "/boot", "/dev", "/etc", "/proc", "/run", "/sbin", "/sys", "/usr"];
/// What is shared by many: a directory of one's own below it is fine.
const SHARED: &[&str] = &["/", "/home", "/opt", "/root", "/tmp", "/var", "/var/lib", "/var/log", "/var/tmp"];

/// Why a directory that a person names cannot be a volume; `None` where its path says nothing against it. [spec: VOL-34]
///
/// Below HomePort's data directory a person may name one: what lies there already is a neighbour.
pub(super) fn misplaced(layout: &Layout, volume: &VolumeName, path: &Path) -> Option<Fault> {
    let what = if layout.data_dir().starts_with(path) {
        format!("has HomePort's own data directory `{}` in it", layout.data_dir().display())
    } else if let Some(system) = system(path) {
        format!("belongs to the system: nothing in `{system}` is a volume")
    } else if SHARED.iter().any(|shared| Path::new(shared) == path) {
        "is shared by much else".to_owned()
    } else {
        return None;
    };
    let shown = path.display();
    let message = format!("`{shown}` cannot be volume `{volume}`");
    Some(
        Fault::new("HP-VOL-012", format!("volumes.{volume}"), message)
            .clause("VOL-34")
            .expected("a directory of its own")
            .actual(format!("`{shown}`, which {what}"))
            .remedy("name another directory, for example one below `/srv`"),
    )
}

/// The directory of the system that `path` is, or is in.
fn system(path: &Path) -> Option<String> {
    let top = path.components().nth(1).map(|top| format!("/{}", top.as_os_str().to_string_lossy()))?;
    (SYSTEM.contains(&top.as_str()) || is_library(&top)).then_some(top)
}

/// `/lib` and those of other word sizes.
fn is_library(top: &str) -> bool {
    matches!(top, "/lib" | "/lib32" | "/lib64" | "/libx32")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_and_homeports_own_directories_are_no_volume() {
        let layout = Layout::under(Path::new("/data/homeport")).unwrap();
        let volume: VolumeName = "home".parse().unwrap();
        let refused = |path: &str| {
            let fault = misplaced(&layout, &volume, Path::new(path));
            fault.is_some_and(|fault| fault.code == "HP-VOL-012" && fault.remedy.contains("another directory"))
        };
        for path in [
            "/",
            "/bin",
            "/boot",
            "/boot/efi",
            "/data",
            "/data/homeport",
            "/data/homeport/data",
            "/dev",
            "/dev/shm/x",
            "/etc",
            "/etc/ssh",
            "/home",
            "/lib",
            "/lib64",
            "/lib64/x",
            "/opt",
            "/proc",
            "/proc/1",
            "/root",
            "/run",
            "/run/x",
            "/sbin",
            "/sys",
            "/tmp",
            "/usr",
            "/usr/local/x",
            "/var",
            "/var/lib",
            "/var/log",
            "/var/tmp",
        ] {
            assert!(refused(path), "{path}");
        }
        for path in [
            "/data/homeport/data/carl",
            "/data/mail",
            "/etcetera",
            "/home/carl",
            "/library",
            "/opt/mail",
            "/root/mail",
            "/srv",
            "/srv/mail",
            "/usr2",
            "/var/lib/mail",
            "/var/mail",
            "/var/tmp/x",
        ] {
            assert!(!refused(path), "{path}");
        }
    }
}
