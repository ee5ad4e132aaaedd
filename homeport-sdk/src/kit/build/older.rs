//! Owns the older versions of a port that are still built from its folder: each a manifest of its own, in
//! `versions/NAME/port.toml`; all else is what the newest version has.
//! Never builds one.

use std::path::{Path, PathBuf};

use homeport_core::fault::Fault;
use homeport_core::manifest::Manifest;

use super::error::BuildError;

/// Below a port's folder.
const FOLDER: &str = "versions";

/// Where the manifest of a version stands.
pub(super) fn manifest_file(dir: &Path, name: &str) -> PathBuf {
    dir.join(FOLDER).join(name).join("port.toml")
}

/// The names of the versions in a port's folder, in order; none where there is no `versions/`.
pub(super) fn names(dir: &Path) -> Result<Vec<String>, BuildError> {
    let folder = dir.join(FOLDER);
    let unreadable = |source| BuildError::io("read", &folder, source);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Refuses a manifest that is not an older version of the port, or not the one that its folder is named after.
pub(super) fn check(name: &str, older: &Manifest, newest: &Manifest) -> Result<(), BuildError> {
    let (port, of) = (&older.port, &newest.port);
    let version = port.version.to_string();
    let mut faults = Vec::new();
    let mut wrong = |field: &str, message: String, found: &str, wanted: String| {
        let subject = format!("{FOLDER}/{name}/port.toml/port/{field}");
        faults.push(Fault::new("HP-KIT-115", subject, message).actual(found).expected(wanted));
    };
    if port.id != of.id {
        wrong("id", "it is a version of another port".to_owned(), port.id.as_str(), format!("`{}`", of.id));
    }
    if port.version >= of.version {
        let wanted = format!("one before {}", of.version);
        wrong("version", "it is not older than `port.toml`".to_owned(), &version, wanted);
    }
    if version != name && !version.starts_with(&format!("{name}.")) {
        wrong(
            "version",
            format!("it is not what the folder `{name}` says"),
            &version,
            format!("`{name}` or `{name}.*`"),
        );
    }
    if faults.is_empty() { Ok(()) } else { Err(BuildError::Older(faults)) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use homeport_core::fault::Advice as _;

    use super::super::Source;
    use super::*;

    fn port(id: &str, version: &str) -> String {
        format!("protocol = \"1.0\"\n[port]\nid = \"{id}\"\nversion = \"{version}\"\ntitle = \"T\"\n")
    }

    /// A folder whose newest version is 1.1.0, with these versions beside it.
    fn folder(versions: &[(&str, &str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("port.toml"), port("hello", "1.1.0")).unwrap();
        fs::write(dir.path().join("image.toml"), "format = 1\ninit = \"hello-init\"\n").unwrap();
        for (name, id, version) in versions {
            let file = manifest_file(dir.path(), name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, port(id, version)).unwrap();
        }
        dir
    }

    #[test]
    fn an_older_version_has_its_own_manifest_and_the_rest_of_the_folder() {
        let dir = folder(&[("1.0", "hello", "1.0.7"), ("0.9.1", "hello", "0.9.1")]);
        assert_eq!(Source::older_versions(dir.path()).unwrap(), ["0.9.1", "1.0"]);
        let (newest, older) = (Source::read(dir.path()).unwrap(), Source::read_older(dir.path(), "1.0").unwrap());
        assert_eq!(newest.manifest.port.version.to_string(), "1.1.0");
        assert_eq!(older.manifest.port.version.to_string(), "1.0.7");
        assert_ne!(older.manifest_bytes, newest.manifest_bytes);
        assert_eq!((older.dir, older.recipe), (newest.dir, newest.recipe));
        assert_eq!(Source::older_versions(folder(&[]).path()).unwrap(), [""; 0]);
    }

    #[test]
    fn a_version_that_is_no_older_one_of_the_port_is_refused_with_every_fault() {
        for (name, id, version, faults) in [
            ("1.0", "other", "1.0.0", 1),
            ("1.1.0", "hello", "1.1.0", 1),
            ("2.0", "hello", "2.0.0", 1),
            ("1.0", "hello", "0.9.0", 1),
            ("1.0", "hello", "1.0.0-rc.1", 0),
            ("1", "hello", "10.0.0", 2),
            ("1.0", "other", "2.0.0", 3),
        ] {
            let dir = folder(&[(name, id, version)]);
            let found = match Source::read_older(dir.path(), name) {
                Ok(_) => Vec::new(),
                Err(error) => {
                    assert_eq!(error.code(), "HP-KIT-109", "{error}");
                    error.faults().iter().map(|fault| fault.code).collect()
                }
            };
            assert_eq!(found, vec!["HP-KIT-115"; faults], "{name} {id} {version}");
        }
    }

    #[test]
    fn a_version_that_is_not_there_is_told_with_those_that_are() {
        let dir = folder(&[("1.0", "hello", "1.0.0")]);
        for name in ["1.2", "", "..", "../.."] {
            let error = Source::read_older(dir.path(), name).unwrap_err();
            assert_eq!(error.code(), "HP-KIT-014", "{name}");
            assert!(error.to_string().contains("wanted one of `1.0`"), "{error}");
        }
    }
}
