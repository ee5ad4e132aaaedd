//! Owns whether a time zone's name is one that the image knows.
//! Never reads the zone itself: the C library does.

use std::path::Path;

/// Where the time zone database stands.
pub(crate) const DATABASE: &str = "/usr/share/zoneinfo";

/// Whether the database holds this zone. The name must not lead out of it.
pub(crate) fn is_known(database: &Path, name: &str) -> bool {
    let plain = |part: &str| {
        part.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
    };
    name.split('/').all(plain) && database.join(name).is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_inside_of_the_database_are_known() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("Europe")).unwrap();
        std::fs::write(dir.path().join("Europe/Berlin"), "").unwrap();
        std::fs::write(dir.path().join("UTC"), "").unwrap();
        for (name, known) in [
            ("UTC", true),
            ("Europe/Berlin", true),
            ("Europe", false),
            ("Europe/Paris", false),
            ("../UTC", false),
            ("Europe/../UTC", false),
            ("/etc/passwd", false),
            ("", false),
        ] {
            assert_eq!(is_known(dir.path(), name), known, "{name}");
        }
    }
}
