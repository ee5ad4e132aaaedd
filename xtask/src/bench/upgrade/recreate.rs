//! Owns Docker's side: a container with the options of another one, published by Docker, that is recreated by `docker stop`,
//! `docker rm` and `docker run`. It goes when this is dropped.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::port::{INSIDE, SITE};
use crate::build_port::docker;
use crate::run;

/// Docker's side.
#[derive(Debug)]
pub(super) struct Recreated {
    /// The container, and the network that it is in, which lets containers not talk to each other, as HomePort's.
    name: String,
    /// What `docker run` is given before the image.
    options: Vec<String>,
    /// What it is given after the image.
    words: Vec<String>,
}

impl Drop for Recreated {
    fn drop(&mut self) {
        let _gone = docker(&["rm", "--force", &self.name]);
        let _gone = docker(&["network", "rm", &self.name]);
    }
}

impl Recreated {
    /// A copy of HomePort's container, which runs: the same limits, rights and environment, a volume with the same files in
    /// `dir`, and the server at `listen`.
    pub(super) fn like(container: &str, image: &str, dir: &Path, listen: &str) -> Result<Self> {
        let text = docker(&["inspect", container])?;
        let inspected: Value = serde_json::from_str(&text).context("`docker inspect` gave no JSON")?;
        let inspected = &inspected[0];
        let (run_dir, site) = copies(inspected, dir)?;
        let name = format!("homeport-bench-recreate-{}", std::process::id());
        let mut options = options(inspected);
        for (source, target) in [(run_dir, "/run/port"), (site, SITE)] {
            let source = source.display();
            options.extend(["--mount".to_owned(), format!("type=bind,source={source},target={target}")]);
        }
        options.extend(["--network", &name, "--publish"].map(str::to_owned));
        options.push(format!("{listen}:{INSIDE}"));
        let recreated = Self { name, options, words: words(&inspected["Config"]["Cmd"]) };
        let icc = "com.docker.network.bridge.enable_icc=false";
        docker(&["network", "create", "--opt", icc, &recreated.name])?;
        recreated.run(image)?;
        Ok(recreated)
    }

    /// `docker stop`, `docker rm`, `docker run`.
    pub(super) fn recreate(&self, image: &str) -> Result<()> {
        docker(&["stop", &self.name])?;
        docker(&["rm", &self.name])?;
        self.run(image)
    }

    fn run(&self, image: &str) -> Result<()> {
        let mut command = Command::new("docker");
        command.args(["run", "--detach", "--name", &self.name]).args(&self.options).arg(image).args(&self.words);
        run::take(&mut command).map(drop)
    }
}

/// Copies of what HomePort's container has at `/run/port` and as its volume; what init expects of a volume says where the
/// copy is.
fn copies(inspected: &Value, dir: &Path) -> Result<(PathBuf, PathBuf)> {
    let source = |target: &str| {
        let mounts = inspected["Mounts"].as_array()?;
        mounts.iter().find(|mount| mount["Destination"] == target)?["Source"].as_str()
    };
    let (run_dir, site) = (dir.join("run"), dir.join("site"));
    fs::create_dir_all(dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
    let from = source("/run/port").context("the container has nothing at `/run/port`")?;
    run::take(Command::new("cp").arg("-a").arg(from).arg(&run_dir))?;
    let facts = fs::metadata(&site).with_context(|| format!("cannot look at `{}`", site.display()))?;
    let file = run_dir.join("volumes.json");
    let mut expected: Value = serde_json::from_slice(&fs::read(&file)?)?;
    expected["site"]["device"] = json!(facts.dev());
    expected["site"]["inode"] = json!(facts.ino());
    expected["site"]["new"] = json!(false);
    fs::remove_file(&file)?;
    fs::write(&file, serde_json::to_vec(&expected)?)?;
    Ok((run_dir, site))
}

/// What `docker run` is given so that a container is limited as this one is.
fn options(inspected: &Value) -> Vec<String> {
    let (host, config) = (&inspected["HostConfig"], &inspected["Config"]);
    let mut options: Vec<String> = Vec::new();
    let mut give = |name: &str, value: String| options.extend([format!("--{name}"), value]);
    for (name, list) in [
        ("cap-drop", &host["CapDrop"]),
        ("cap-add", &host["CapAdd"]),
        ("security-opt", &host["SecurityOpt"]),
        ("env", &config["Env"]),
    ] {
        for word in words(list) {
            give(name, word);
        }
    }
    for (name, number) in [
        ("memory", "Memory"),
        ("memory-swap", "MemorySwap"),
        ("pids-limit", "PidsLimit"),
        ("cpu-shares", "CpuShares"),
        ("shm-size", "ShmSize"),
        ("oom-score-adj", "OomScoreAdj"),
    ] {
        give(name, host[number].to_string());
    }
    for limit in host["Ulimits"].as_array().into_iter().flatten() {
        let word = |key: &str| limit[key].as_str().map_or_else(|| limit[key].to_string(), str::to_owned);
        give("ulimit", format!("{}={}:{}", word("Name"), word("Soft"), word("Hard")));
    }
    for (target, how) in host["Tmpfs"].as_object().into_iter().flatten() {
        give("tmpfs", format!("{target}:{}", how.as_str().unwrap_or_default()));
    }
    for (key, value) in host["LogConfig"]["Config"].as_object().into_iter().flatten() {
        give("log-opt", format!("{key}={}", value.as_str().unwrap_or_default()));
    }
    for (name, word) in [
        ("log-driver", &host["LogConfig"]["Type"]),
        ("ipc", &host["IpcMode"]),
        ("cgroupns", &host["CgroupnsMode"]),
        ("hostname", &config["Hostname"]),
        ("user", &config["User"]),
    ] {
        give(name, word.as_str().unwrap_or_default().to_owned());
    }
    give("stop-timeout", config["StopTimeout"].to_string());
    options.extend(["--read-only", "--no-healthcheck"].map(str::to_owned));
    options
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_limits_and_rights_of_its_model() {
        let inspected = json!({
            "HostConfig": {
                "CapDrop": ["ALL"], "CapAdd": ["SETUID"], "SecurityOpt": ["no-new-privileges:true"], "Memory": 5,
                "MemorySwap": 5, "PidsLimit": 7, "CpuShares": 1024, "ShmSize": 9, "OomScoreAdj": 0,
                "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 11}], "Tmpfs": {"/tmp": "rw,size=1"},
                "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m"}}, "IpcMode": "private",
                "CgroupnsMode": "private"
            },
            "Config": {"Env": ["A=b"], "Hostname": "bench", "User": "0:0", "StopTimeout": 10}
        });
        let found = options(&inspected).join(" ");
        for wanted in [
            "--cap-drop ALL --cap-add SETUID --security-opt no-new-privileges:true --env A=b --memory 5 --memory-swap 5",
            "--pids-limit 7 --cpu-shares 1024 --shm-size 9",
            "--ulimit nofile=10:11 --tmpfs /tmp:rw,size=1 --log-opt max-size=10m --log-driver json-file",
            "--hostname bench --user 0:0 --stop-timeout 10 --read-only",
        ] {
            assert!(found.contains(wanted), "{found} has no {wanted}");
        }
    }
}
