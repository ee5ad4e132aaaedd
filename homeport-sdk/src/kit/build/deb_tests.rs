//! Packages made by the test, part by part, good and bad.

use super::*;

/// One entry of a data archive.
pub(crate) enum Part<'a> {
    Dir(&'a str, u32),
    File(&'a str, u32, &'a [u8]),
    Symlink(&'a str, &'a str),
    Hard(&'a str, &'a str),
    Special(&'a str, tar::EntryType),
}

/// A tar of these entries, with names as they are given: also those that a careful writer refuses.
pub(crate) fn tar_of(parts: &[Part<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for part in parts {
        let (name, kind, mode, data, link): (&str, _, u32, &[u8], &str) = match part {
            Part::Dir(name, mode) => (name, tar::EntryType::Directory, *mode, &[], ""),
            Part::File(name, mode, data) => (name, tar::EntryType::Regular, *mode, data, ""),
            Part::Symlink(name, target) => (name, tar::EntryType::Symlink, 0o777, &[], target),
            Part::Hard(name, target) => (name, tar::EntryType::Link, 0o644, &[], target),
            Part::Special(name, kind) => (name, *kind, 0o644, &[], ""),
        };
        let mut header = tar::Header::new_gnu();
        let fields = header.as_gnu_mut().unwrap();
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        fields.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(7);
        header.set_gid(8);
        header.set_size(data.len() as u64);
        header.set_cksum();
        builder.append(&header, data).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A package with these entries; the control part is always gzip, the data part as the extension says.
pub(crate) fn deb_of(name: &str, extension: &str, data: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let control = format!("Package: {name}\nVersion: 1.0\nArchitecture: all\nDescription: made by a test\n");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar_of(&[Part::Dir("./", 0o755), Part::File("./control", 0o644, control.as_bytes())])).unwrap();
    let data = match extension {
        "tar.xz" => {
            let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
            xz.write_all(data).unwrap();
            xz.finish().unwrap()
        }
        "tar.zst" => zstd::encode_all(data, 1).unwrap(),
        "tar.gz" => {
            let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gz.write_all(data).unwrap();
            gz.finish().unwrap()
        }
        _ => data.to_vec(),
    };
    archive_of(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", &gz.finish().unwrap()),
        (&format!("data.{extension}"), &data),
    ])
}

fn archive_of(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ar::Builder::new(Vec::new());
    for (name, bytes) in parts {
        archive.append(&ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64), *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

fn read(parts: &[Part<'_>]) -> Result<Deb, DebError> {
    Deb::read(&deb_of("x", "tar.xz", &tar_of(parts)))
}

#[test]
fn every_compression_gives_the_same_entries_with_modes_and_owners() {
    let data = tar_of(&[
        Part::Dir("./", 0o755),
        Part::Dir("./bin/", 0o755),
        Part::File("./bin/x", 0o4755, b"hello"),
        Part::Symlink("./bin/y", "x"),
    ]);
    for extension in ["tar", "tar.gz", "tar.xz", "tar.zst"] {
        let deb = Deb::read(&deb_of("x", extension, &data)).unwrap();
        assert!(deb.control.starts_with("Package: x\n"), "{extension}");
        let meta = |mode| Meta { mode: Mode::new(mode), uid: Uid::new(7), gid: Gid::new(8) };
        let path = |text| ImagePath::from_recipe(text).unwrap();
        let wanted = [
            (path("/usr/bin"), Node::Directory(meta(0o755))),
            (path("/usr/bin/x"), Node::File(meta(0o4755), Arc::from(*b"hello"))),
            (path("/usr/bin/y"), Node::Symlink("x".to_owned())),
        ];
        assert_eq!(deb.entries, wanted, "{extension}");
    }
}

#[test]
fn a_hard_link_is_the_same_file_even_over_the_merged_usr() {
    let deb = read(&[Part::File("./bin/a", 0o755, b"same"), Part::Hard("./usr/bin/b", "./bin/a")]).unwrap();
    let bytes: Vec<&Arc<[u8]>> = deb
        .entries
        .iter()
        .map(|(_, node)| if let Node::File(_, bytes) = node { bytes } else { panic!("not a file: {node:?}") })
        .collect();
    assert!(Arc::ptr_eq(bytes[0], bytes[1]));
}

#[test]
fn a_package_that_could_do_harm_is_refused() {
    use tar::EntryType as Kind;
    let rows: [(&[Part<'_>], &str); 9] = [
        (&[Part::File("/etc/passwd", 0o644, b"")], "`/etc/passwd` is absolute"),
        (&[Part::File("./../x", 0o644, b"")], "`./../x` has `..` in it"),
        (&[Part::File("./a/../../x", 0o644, b"")], "`./a/../../x` has `..` in it"),
        (&[Part::Hard("./a", "../../etc/shadow")], "`../../etc/shadow` has `..` in it"),
        (&[Part::Hard("./a", "./b")], "`/a` is a hard link to `./b`, which is no file that came before it"),
        (&[Part::Special("./d", Kind::Char)], "`/d` is a character device"),
        (&[Part::Special("./d", Kind::Block)], "`/d` is a block device"),
        (&[Part::Special("./d", Kind::Fifo)], "`/d` is a named pipe"),
        (&[Part::Symlink("./bin", "/elsewhere")], "`/usr/bin` is a link to `/elsewhere`"),
    ];
    for (parts, message) in rows {
        let error = read(parts).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
    }
}

#[test]
fn the_links_of_a_merged_usr_are_not_entries() {
    let deb = read(&[Part::Symlink("./bin", "usr/bin"), Part::Symlink("./lib64", "/usr/lib64")]).unwrap();
    assert_eq!(deb.entries, []);
}

#[test]
fn what_is_no_package_says_what_is_missing() {
    let gz = deb_of("x", "tar.gz", &tar_of(&[]));
    let rows: [(Vec<u8>, &str); 6] = [
        (b"not an archive".to_vec(), "cannot read the package's archive"),
        (archive_of(&[("other", b"")]), "the package has no `debian-binary`"),
        (archive_of(&[("debian-binary", b"2.0\n")]), "the package has no `control.tar`"),
        (
            archive_of(&[("debian-binary", b"3.0\n"), ("control.tar", b""), ("data.tar", b"")]),
            "the package is of format `3.0`",
        ),
        (
            archive_of(&[("debian-binary", b"2.0\n"), ("control.tar.lz", b""), ("data.tar", b"")]),
            "`control.tar.lz` is compressed in an unknown way",
        ),
        (gz[..gz.len() - 10].to_vec(), "cannot read the package's archive"),
    ];
    for (bytes, message) in rows {
        let error = Deb::read(&bytes).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}, wanted {message}");
    }
}
