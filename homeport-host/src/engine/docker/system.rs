//! Owns what Docker says about itself. Never judges it: [`crate::engine::EngineFacts::check`] does.

use std::collections::BTreeSet;

use bollard::models::{SystemInfo, SystemInfoCgroupDriverEnum, SystemInfoCgroupVersionEnum};

use super::connect::Call;
use crate::engine::error::EngineError;
use crate::engine::facts::{ApiVersion, CgroupVersion, EngineFacts, Feature};

pub(super) async fn ping(call: &Call) -> Result<(), EngineError> {
    call.docker.ping().await.map(|_| ()).map_err(|error| call.failure(error))
}

pub(super) async fn api_version(call: &Call) -> Result<ApiVersion, EngineError> {
    let version = call.docker.version().await.map_err(|error| call.failure(error))?;
    let api = version.api_version.unwrap_or_default();
    api.parse().map_err(|error: crate::engine::facts::ApiVersionError| call.unexpected(error.to_string()))
}

pub(super) async fn facts(call: &Call) -> Result<EngineFacts, EngineError> {
    let api = api_version(call).await?;
    let info = call.docker.info().await.map_err(|error| call.failure(error))?;
    Ok(EngineFacts {
        cgroups: cgroups(&info),
        features: features(&info),
        version: info.server_version.unwrap_or_default(),
        api,
        storage: info.driver.unwrap_or_default(),
        directory: info.docker_root_dir.unwrap_or_default(),
        architecture: info.architecture.unwrap_or_default(),
        warnings: info.warnings.unwrap_or_default(),
    })
}

fn cgroups(info: &SystemInfo) -> CgroupVersion {
    match (info.cgroup_driver, info.cgroup_version) {
        (Some(SystemInfoCgroupDriverEnum::NONE), _) => CgroupVersion::None,
        (_, Some(SystemInfoCgroupVersionEnum::_2)) => CgroupVersion::V2,
        _ => CgroupVersion::V1,
    }
}

fn features(info: &SystemInfo) -> BTreeSet<Feature> {
    let options = info.security_options.clone().unwrap_or_default();
    // Written `name=seccomp,profile=default`. An unconfined default profile filters nothing.
    let names = |name: &str| options.iter().find(|option| option.split(',').any(|part| part == format!("name={name}")));
    let seccomp = names("seccomp").is_some_and(|option| !option.contains("profile=unconfined"));
    [
        (Feature::MemoryLimit, info.memory_limit.unwrap_or(false)),
        (Feature::SwapLimit, info.swap_limit.unwrap_or(false)),
        (Feature::PidLimit, info.pids_limit.unwrap_or(false)),
        (Feature::CpuShares, info.cpu_shares.unwrap_or(false)),
        (Feature::Seccomp, seccomp),
        (Feature::AppArmor, names("apparmor").is_some()),
        (Feature::SeLinux, names("selinux").is_some()),
        (Feature::UserNamespace, names("userns").is_some()),
        (Feature::Rootless, names("rootless").is_some()),
        (Feature::LiveRestore, info.live_restore_enabled.unwrap_or(false)),
    ]
    .into_iter()
    .filter_map(|(feature, has)| has.then_some(feature))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(security: &[&str]) -> SystemInfo {
        SystemInfo {
            memory_limit: Some(true),
            pids_limit: Some(true),
            security_options: Some(security.iter().map(|&option| option.to_owned()).collect()),
            ..SystemInfo::default()
        }
    }

    #[test]
    fn features_are_read_from_the_engines_words() {
        let plain = features(&info(&["name=seccomp,profile=default"]));
        assert_eq!(plain, BTreeSet::from([Feature::MemoryLimit, Feature::PidLimit, Feature::Seccomp]));
        assert!(!features(&info(&["name=seccomp,profile=unconfined"])).contains(&Feature::Seccomp));
        assert!(features(&info(&["name=rootless"])).contains(&Feature::Rootless));
        assert!(features(&info(&["name=userns"])).contains(&Feature::UserNamespace));
    }

    #[test]
    fn no_cgroup_driver_means_no_limits() {
        use SystemInfoCgroupDriverEnum as Driver;
        use SystemInfoCgroupVersionEnum as Version;
        let with = |driver, version| SystemInfo {
            cgroup_driver: Some(driver),
            cgroup_version: Some(version),
            ..SystemInfo::default()
        };
        assert_eq!(cgroups(&with(Driver::NONE, Version::_2)), CgroupVersion::None);
        assert_eq!(cgroups(&with(Driver::SYSTEMD, Version::_2)), CgroupVersion::V2);
        assert_eq!(cgroups(&with(Driver::CGROUPFS, Version::_1)), CgroupVersion::V1);
    }
}
