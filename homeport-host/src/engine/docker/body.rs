//! Owns how a container's description is written in Docker's words: a pure function, every hardening flag in one place.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount,
    MountBindOptions, MountBindOptionsPropagationEnum, MountType, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};
use homeport_core::unit::Bytes;

use crate::engine::limit::LogLimit;
use crate::engine::mount::{Access, BindMount, Exec, TmpfsMount};
use crate::engine::spec::{ContainerSpec, Entrypoint, ExtraHost, HostAddress, NetworkMode};

/// The request that makes this container. What is always so for every port is written out, even where it is Docker's
/// default: a daemon's configuration can change most defaults.
pub(super) fn container(spec: &ContainerSpec) -> ContainerCreateBody {
    ContainerCreateBody {
        hostname: Some(spec.hostname.to_string()),
        user: Some(format!("{}:{}", spec.user.uid, spec.user.gid)),
        attach_stdin: Some(false),
        attach_stdout: Some(false),
        attach_stderr: Some(false),
        tty: Some(false),
        open_stdin: Some(false),
        env: Some(spec.env.iter().map(|(key, value)| format!("{key}={value}")).collect()),
        cmd: Some(spec.args.clone()),
        // HomePort asks the port's own health phase; a probe of the image would run beside it.
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        image: Some(spec.image.to_string()),
        entrypoint: match &spec.entrypoint {
            Entrypoint::OfImage => None,
            Entrypoint::Exactly(words) => Some(words.clone()),
        },
        labels: Some(spec.labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()),
        stop_signal: Some("SIGTERM".to_owned()),
        stop_timeout: Some(i64::from(spec.stop_grace.get())),
        host_config: Some(host_config(spec)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(spec: &ContainerSpec) -> HostConfig {
    let limits = &spec.limits;
    let open_files = i64::from(limits.open_files.get());
    HostConfig {
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(spec.capabilities.iter().map(ToString::to_string).collect()),
        privileged: Some(false),
        readonly_rootfs: Some(true),
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        // The daemon's configuration may set an init for every container, which would take PID 1 from the port's.
        init: Some(false),
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        auto_remove: Some(false),
        publish_all_ports: Some(false),
        network_mode: Some(match &spec.network {
            NetworkMode::None => "none".to_owned(),
            NetworkMode::Attached(network) => network.to_string(),
        }),
        extra_hosts: Some(spec.extra_hosts.iter().map(extra_host).collect()),
        mounts: Some(spec.binds.iter().map(bind).collect()),
        tmpfs: Some(spec.tmpfs.iter().map(tmpfs).collect()),
        memory: Some(bytes(limits.memory)),
        // Memory and swap together: the same number leaves no swap.
        memory_swap: Some(bytes(limits.memory)),
        oom_kill_disable: Some(false),
        oom_score_adj: Some(i64::from(limits.oom.get())),
        pids_limit: Some(i64::from(limits.pids.get())),
        cpu_shares: Some(i64::from(limits.cpu.get())),
        ulimits: Some(vec![ResourcesUlimits {
            name: Some("nofile".to_owned()),
            soft: Some(open_files),
            hard: Some(open_files),
        }]),
        shm_size: Some(bytes(limits.shm)),
        log_config: Some(log_config(limits.logs)),
        ..HostConfig::default()
    }
}

/// The strict form: a source that is missing is an error. The `Binds` form would make it, empty and root's.
fn bind(bind: &BindMount) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(bind.source.to_string()),
        target: Some(bind.target.to_string()),
        read_only: Some(bind.access == Access::ReadOnly),
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    }
}

fn tmpfs(tmpfs: &TmpfsMount) -> (String, String) {
    let access = match tmpfs.access {
        Access::ReadWrite => "rw",
        Access::ReadOnly => "ro",
    };
    let exec = match tmpfs.exec {
        Exec::Refused => "noexec",
        Exec::Allowed => "exec",
    };
    let options = format!(
        "{access},nosuid,nodev,{exec},size={},mode={},uid={},gid={}",
        tmpfs.size, tmpfs.mode, tmpfs.uid, tmpfs.gid
    );
    (tmpfs.target.to_string(), options)
}

fn extra_host(host: &ExtraHost) -> String {
    match host.address {
        HostAddress::Gateway => format!("{}:host-gateway", host.name),
        HostAddress::Ip(address) => format!("{}:{address}", host.name),
    }
}

fn log_config(limit: LogLimit) -> HostConfigLogConfig {
    let config = [("max-size", limit.file.to_string()), ("max-file", limit.files.max(1).to_string())];
    HostConfigLogConfig {
        typ: Some("json-file".to_owned()),
        config: Some(config.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<HashMap<_, _>>()),
    }
}

fn bytes(bytes: Bytes) -> i64 {
    i64::try_from(bytes.get()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
