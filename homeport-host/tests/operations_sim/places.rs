//! Directories that are never a volume: HomePort's own, the engine's and the system's.

use std::fs;
use std::path::{Path, PathBuf};

use homeport_host::Host;
use homeport_host::operation::{self, Execution, OperationError};
use homeport_host::request::{AdoptRequest, PortRef};

use crate::data::snapshot;
use crate::stage::{Command, Ground, Stage, Trouble, alice};

fn adoption(path: &Path) -> AdoptRequest {
    AdoptRequest {
        port: PortRef::Id("shell".parse().unwrap()),
        instance: "carl".parse().unwrap(),
        volume: "home".parse().unwrap(),
        path: path.to_owned(),
        approve: None,
        execution: Execution::DryRun,
    }
}

/// Whether nothing was planned, and a person was told to name another place.
fn is_refused<T>(result: Result<T, OperationError>) -> bool {
    let Err(OperationError::Refused { faults, .. }) = result else { return false };
    let is_told =
        |help: &String| help.contains("name another directory") || help.contains("name a directory beside it");
    faults.iter().any(|fault| fault.code == "HP-VOL-012" && is_told(&fault.remedy))
}

fn own(stage: &Stage) -> Vec<PathBuf> {
    let layout = &stage.layout;
    let root = layout.state_dir().parent().unwrap();
    let mut paths: Vec<PathBuf> = [root, layout.state_dir(), layout.store_dir(), layout.data_dir(), layout.run_dir()]
        .into_iter()
        .map(Path::to_owned)
        .collect();
    paths.extend(
        ["packs", "snapshots"].map(|name| layout.store_dir().join(name)).into_iter().filter(|one| one.exists()),
    );
    fs::create_dir_all(layout.scratch_dir()).unwrap();
    paths.push(layout.scratch_dir().to_owned());
    paths
}

#[test]
fn no_directory_of_homeports_or_the_systems_is_adopted_deployed_on_or_moved_to() {
    let ground = Ground::new();
    let stage = ground.stage();
    stage.must(Command::Deploy);
    stage.does(snapshot);
    stage.must(Command::Stop);
    let system = ["/etc", "/etc/ssh", "/opt", "/usr/local", "/bin", "/lib", "/boot", "/proc", "/var", "/root", "/home"];
    let paths = own(&stage).into_iter().chain(system.map(PathBuf::from));
    for path in paths {
        assert!(path.is_dir(), "{}", path.display());
        let look = |host: &Host| {
            assert!(is_refused(operation::volume_adopt(host, &adoption(&path))), "adopt {}", path.display());
            let mut request = stage.request(&"carl".parse().unwrap(), false);
            request.volumes.insert("home".parse().unwrap(), path.clone());
            assert!(is_refused(operation::plan_deploy(host, &request)), "deploy {}", path.display());
            let request = homeport_host::request::MoveRequest {
                instance: alice(),
                volume: "home".parse().unwrap(),
                path: path.clone(),
                execution: Execution::DryRun,
            };
            assert!(operation::volume_move(host, &request).is_err(), "move {}", path.display());
            Ok(())
        };
        let (ran, _) = stage.with(&Trouble::default(), look);
        assert!(ran.result.is_ok(), "{}", ran.text());
    }
}
