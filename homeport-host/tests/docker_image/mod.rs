//! The test image: one static program and a manifest, made here, so that no registry is asked and no image is expected.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use homeport_core::digest::Digest;
use homeport_host::engine::ImageName;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::engine_contract::{LABEL, MANIFEST};

/// The fixture as a static program.
pub(crate) fn fixture_program() -> Vec<u8> {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM
        .get_or_init(|| {
            let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/engine_contract/fixture.c");
            let dir = tempfile::tempdir().unwrap();
            let program = dir.path().join("fixture");
            let cc = Command::new("cc").args(["-static", "-O1", "-s", "-o"]).arg(&program).arg(&source).status();
            assert!(cc.expect("these tests need a C compiler").success());
            std::fs::read(program).unwrap()
        })
        .clone()
}

/// The image of one run: its id and the archive that holds it.
pub(crate) fn archive(run: &str, name: &ImageName, program: &[u8]) -> (Digest, Vec<u8>) {
    let layer = layer(program);
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {
            "Entrypoint": ["/fixture"],
            "Env": ["FROM_IMAGE=1"],
            "ExposedPorts": { "22/tcp": {}, "53/udp": {} },
            "Volumes": { "/declared": {} },
            "Labels": { LABEL: run, "of-image": "1" }
        },
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer).to_string()] },
        "history": [{ "created_by": "homeport test" }]
    });
    let config = serde_json::to_vec(&config).unwrap();
    let id = digest(&config);
    let config_name = format!("{}.json", id.hex());
    let manifest = json!([{ "Config": config_name, "RepoTags": [name.as_str()], "Layers": ["layer.tar"] }]);
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in [
        (config_name.as_str(), config.as_slice()),
        ("layer.tar", &layer),
        ("manifest.json", &serde_json::to_vec(&manifest).unwrap()),
    ] {
        append(&mut archive, path, bytes, 0o644);
    }
    (id, archive.into_inner().unwrap())
}

fn layer(program: &[u8]) -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    for directory in ["port/", "declared/", "etc/"] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        layer.append_data(&mut header, directory, std::io::empty()).unwrap();
    }
    append(&mut layer, "fixture", program, 0o755);
    append(&mut layer, "port/manifest.json", MANIFEST, 0o644);
    layer.into_inner().unwrap()
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, bytes: &[u8], mode: u32) {
    let mut header = tar::Header::new_ustar();
    header.set_mode(mode);
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, path, bytes).unwrap();
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::new(Sha256::digest(bytes).into())
}
