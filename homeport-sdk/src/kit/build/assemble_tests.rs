//! Images of packages made by the test: what comes out, twice the same, and what is refused.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use super::*;
use crate::kit::build::deb::tests::{Part, deb_of, tar_of};

const PORT: &str = r#"
protocol = "1.0"
[port]
id = "hello"
version = "1.2.3"
title = "Says hello"
license = "MIT"
[volumes.home]
path = "/home/user"
format = 1
uid = 1000
gid = 1000
mode = "0700"
[endpoints.greeting]
port = 7777
protocol = "greeting"
"#;

const RECIPE: &str = r#"
format = 1
init = "hello-init"
[packages]
distribution = "Debian"
release = "12"
architecture = "amd64"
want = ["hello"]
[files]
leave_out = ["/usr/share/doc/**"]
keep = ["/usr/share/doc/*/copyright"]
[group.hello]
gid = 1000
[user.hello]
uid = 1000
gid = 1000
home = "/home/user"
[[symlink]]
path = "/bin/hi"
target = "hello"
[[mode]]
path = "/etc/hello/secret"
mode = "0640"
gid = 1000
[[join]]
into = "/etc/hello/all"
from = "/usr/share/hello/*.part"
"#;

fn folder(dir: &Path, recipe: &str) -> Source {
    fs::create_dir_all(dir.join("rootfs/etc/hello")).unwrap();
    fs::write(dir.join("port.toml"), PORT).unwrap();
    fs::write(dir.join("image.toml"), recipe).unwrap();
    fs::write(dir.join("rootfs/etc/hello/secret"), "s").unwrap();
    Source::read(dir).unwrap()
}

fn hello() -> (String, Deb) {
    let data = tar_of(&[
        Part::Dir("./", 0o755),
        Part::File("./bin/hello", 0o4755, b"#!hello"),
        Part::Hard("./usr/bin/hello2", "./bin/hello"),
        Part::File("./usr/share/doc/hello/copyright", 0o644, b"free"),
        Part::File("./usr/share/doc/hello/README", 0o644, b"long"),
        Part::File("./usr/share/hello/b.part", 0o644, b"B"),
        Part::File("./usr/share/hello/a.part", 0o644, b"A"),
    ]);
    ("hello".to_owned(), Deb::read(&deb_of("hello", "tar.xz", &data)).unwrap())
}

fn build(source: &Source, debs: Vec<(String, Deb)>) -> Result<Image, BuildError> {
    assemble(Parts { source, debs, date: "2026-11-23".parse().unwrap(), init: b"static".to_vec() })
}

/// Every entry of every layer, as `path mode uid:gid content`.
fn listing(image: &Image) -> Vec<String> {
    let mut lines = Vec::new();
    for tar in image.layer_tars() {
        for entry in tar::Archive::new(tar).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            if let Some(link) = entry.link_name().unwrap() {
                content = format!("-> {}", link.display());
            }
            let header = entry.header();
            let path = entry.path().unwrap().display().to_string();
            let (mode, uid, gid) = (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
            lines.push(format!("{path} {mode:o} {uid}:{gid} {content}").trim_end().to_owned());
        }
    }
    lines
}

#[test]
fn the_same_parts_give_the_same_bytes_from_another_directory_too() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let archives = dirs.each_ref().map(|dir| {
        let image = build(&folder(dir.path(), RECIPE), vec![hello()]).unwrap();
        let mut archive = Vec::new();
        image.write(&mut archive).unwrap();
        (image.id(), archive)
    });
    assert_eq!(archives[0].0, archives[1].0);
    assert!(archives[0].1 == archives[1].1, "the archives differ");
}

#[test]
fn an_image_holds_what_packages_recipe_and_rootfs_say_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let image = build(&folder(dir.path(), RECIPE), vec![hello()]).unwrap();
    let manifest = r#"{"endpoints":{"greeting":{"port":7777,"protocol":"greeting"}},"port":{"id":"hello","license":"MIT","title":"Says hello","version":"1.2.3"},"protocol":"1.0","volumes":{"home":{"format":1,"gid":1000,"mode":"0700","path":"/home/user","uid":1000}}}"#;
    let wanted = [
        "bin 777 0:0 -> usr/bin",
        "usr/ 755 0:0",
        "usr/bin/ 755 0:0",
        "usr/bin/hello 755 7:8 #!hello",
        "usr/bin/hello2 755 7:8 -> usr/bin/hello",
        "usr/share/ 755 0:0",
        "usr/share/doc/ 755 0:0",
        "usr/share/doc/hello/ 755 0:0",
        "usr/share/doc/hello/copyright 644 7:8 free",
        "usr/share/hello/ 755 0:0",
        "usr/share/hello/a.part 644 7:8 A",
        "usr/share/hello/b.part 644 7:8 B",
        "var/ 755 0:0",
        "var/lib/ 755 0:0",
        "var/lib/dpkg/ 755 0:0",
        "var/lib/dpkg/status.d/ 755 0:0",
        "var/lib/dpkg/status.d/hello 644 0:0 Package: hello\nVersion: 1.0\nArchitecture: all\nDescription: made by a test",
        "etc/ 755 0:0",
        "etc/group 644 0:0 hello:x:1000:",
        "etc/hello/ 755 0:0",
        "etc/hello/all 644 0:0 AB",
        "etc/hello/secret 640 0:1000 s",
        "etc/passwd 644 0:0 hello:x:1000:1000::/home/user:/usr/sbin/nologin",
        "etc/shadow 600 0:0 hello:*:::::::",
        "home/ 755 0:0",
        "home/user/ 700 1000:1000",
        "run/ 755 0:0",
        "run/port/ 755 0:0",
        "usr/bin/hi 777 0:0 -> hello",
        "port/ 755 0:0",
        "port/init 755 0:0 static",
        &format!("port/manifest.json 644 0:0 {manifest}"),
    ];
    assert_eq!(listing(&image), wanted);
    let config: serde_json::Value = serde_json::from_slice(image.config()).unwrap();
    assert_eq!(config["config"]["Labels"]["io.homeport.manifest"], manifest);
    assert_eq!(config["config"]["Labels"]["io.homeport.protocol"], "1.0");
    assert_eq!(config["config"]["Labels"]["org.opencontainers.image.version"], "1.2.3");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/port/init"]));
    assert_eq!(config["config"]["Cmd"], serde_json::json!(["run"]));
    assert_eq!(config["config"]["ExposedPorts"], serde_json::json!({"7777/tcp": {}}));
    assert_eq!(config["config"]["StopSignal"], "SIGTERM");
    for absent in ["Volumes", "User"] {
        assert_eq!(config["config"].get(absent), None, "{absent}");
    }
    assert_eq!(config["created"], "2026-11-23T00:00:00Z");
    assert_eq!(image.tag(), "homeport/hello:1.2.3");
}

#[test]
fn an_archive_names_its_blobs_by_what_is_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let image = build(&folder(dir.path(), RECIPE), vec![hello()]).unwrap();
    let mut archive = Vec::new();
    image.write(&mut archive).unwrap();
    let mut members = std::collections::BTreeMap::new();
    for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        members.insert(entry.path().unwrap().display().to_string(), bytes);
    }
    for (name, bytes) in members.iter().filter(|(name, _)| name.starts_with("blobs/")) {
        assert_eq!(*name, format!("blobs/sha256/{}", crate::kit::build::Sha256::of(bytes)));
    }
    let docker: serde_json::Value = serde_json::from_slice(&members["manifest.json"]).unwrap();
    assert_eq!(docker[0]["RepoTags"], serde_json::json!(["homeport/hello:1.2.3"]));
    let config = docker[0]["Config"].as_str().unwrap();
    assert_eq!(config, format!("blobs/sha256/{}", image.id().hex()));
    assert_eq!(members[config], image.config());
    let index: serde_json::Value = serde_json::from_slice(&members["index.json"]).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap().replace(':', "/");
    let oci: serde_json::Value = serde_json::from_slice(&members[&format!("blobs/{digest}")]).unwrap();
    for layer in oci["layers"].as_array().unwrap() {
        let name = format!("blobs/{}", layer["digest"].as_str().unwrap().replace(':', "/"));
        assert_eq!(layer["size"], members[&name].len() as u64);
        assert!(docker[0]["Layers"].as_array().unwrap().iter().any(|other| *other == *name));
    }
}

#[test]
fn what_an_image_must_not_be_is_all_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = RECIPE
        .replace("/usr/share/doc/*/copyright", "/usr/share/dok/*/copyright")
        .replace("*.part", "*.parts")
        .replace("path = \"/etc/hello/secret\"", "path = \"/etc/hello/other\"");
    let source = folder(dir.path(), &recipe);
    let mut source = source;
    let key = ImagePath::from_recipe("/etc/ssh/key").unwrap();
    source.rootfs.replace(key, Node::text(0o600, "-----BEGIN PRIVATE KEY-----\n"), "rootfs");
    let error = build(&source, vec![hello()]).unwrap_err();
    let BuildError::Image(faults) = error else { panic!("{error}") };
    let codes: Vec<&str> = faults.iter().map(|fault| fault.code).collect();
    assert_eq!(codes, ["HP-KIT-140", "HP-KIT-141", "HP-KIT-142", "HP-KIT-120"], "{faults:#?}");
}

#[test]
fn two_packages_that_bring_different_files_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let other = Deb::read(&deb_of("other", "tar.gz", &tar_of(&[Part::File("./usr/bin/hello", 0o755, b"#!other")])));
    let source = folder(dir.path(), RECIPE);
    let error = build(&source, vec![hello(), ("other".to_owned(), other.unwrap())]).unwrap_err();
    assert_eq!(error.to_string(), "`/usr/bin/hello` comes from `hello` and, different, from `other`");
}

#[test]
fn on_a_base_the_port_is_added_after_the_authors_own_lines() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder(dir.path(), RECIPE);
    let dockerfile = "ARG BASE=x\nFROM ${BASE}\nRUN install\n\n";
    let context = crate::kit::build::onto_base(&source, dockerfile, b"static".to_vec()).unwrap();
    let text = String::from_utf8(context.files["Dockerfile"].clone()).unwrap();
    assert!(text.starts_with("ARG BASE=x\nFROM ${BASE}\nRUN install\n# Added by"), "{text}");
    assert!(text.ends_with("ADD init.tar /\nUSER 0:0\nWORKDIR /\nHEALTHCHECK NONE\nSTOPSIGNAL SIGTERM\nENTRYPOINT [\"/port/init\"]\nCMD [\"run\"]\n"));
    let paths = |name: &str| -> Vec<String> {
        let mut archive = tar::Archive::new(&context.files[name][..]);
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
    };
    assert!(paths("port.tar").contains(&"etc/hello/secret".to_owned()));
    assert!(!paths("port.tar").contains(&"etc/hello/all".to_owned()), "joins are left to the base");
    assert_eq!(paths("init.tar"), ["port/", "port/init", "port/manifest.json"]);
    assert_eq!(context.labels["io.homeport.manifest"].as_bytes(), source.manifest_bytes);
    assert_eq!(context.tag, "homeport/hello:1.2.3");
}
