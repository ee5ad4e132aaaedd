//! Owns the fixed places and names of the entrypoint contract, as a port sees them inside its container.
//! Never names a place on the host: that is the host's layout.

/// The directory of a host directory mounted into every container. [spec: ENT-8]
pub const RUN_DIR: &str = "/run/port";
/// The typed, effective configuration, without secrets. [spec: ENT-9]
pub const CONFIG_FILE: &str = "/run/port/config.json";
/// One file for each secret key that has a value, mode 0400. [spec: ENT-10]
pub const SECRETS_DIR: &str = "/run/port/secrets";
/// Certificates, as `<name>/cert.pem` and `<name>/key.pem`. [spec: ENT-8]
pub const TLS_DIR: &str = "/run/port/tls";
/// What the host expects of each volume; see `ExpectedVolumes`. [spec: VOL-20]
pub const VOLUMES_FILE: &str = "/run/port/volumes.json";
/// The host's datagram socket that takes `READY=1`. [spec: ENT-30]
pub const NOTIFY_SOCKET: &str = "/run/port/notify";
/// Replaced by rename whenever something changes; see `Status`. [spec: ENT-35]
pub const STATUS_FILE: &str = "/run/port/status.json";
/// Every diagnostic, one JSON object a line. [spec: ENT-21]
pub const DIAGNOSTICS_FILE: &str = "/run/port/diag.jsonl";
/// Why init exited, written before every exit that is not 0. [spec: ENT-24]
pub const TERMINATION_FILE: &str = "/run/port/termination.json";
/// The most bytes that a termination file may have. [spec: ENT-24]
pub const MAX_TERMINATION_BYTES: usize = 4096;

/// The init in the image: the first and only element of the entrypoint. [spec: ENT-1]
pub const INIT_PATH: &str = "/port/init";
/// The manifest in the image. [spec: MAN-1]
pub const MANIFEST_FILE: &str = "/port/manifest.json";
/// What the generic init runs; of no meaning to other inits. [spec: ENT-40]
pub const SERVICES_FILE: &str = "/port/services.json";
/// The label that holds the manifest's bytes. [spec: MAN-1]
pub const LABEL_MANIFEST: &str = "io.homeport.manifest";
/// The label that holds the protocol version. [spec: MAN-1]
pub const LABEL_PROTOCOL: &str = "io.homeport.protocol";

/// Environment: the protocol version that the host speaks. [spec: ENT-7]
pub const ENV_PROTOCOL: &str = "HOMEPORT_PROTOCOL";
/// Environment: the phase, the same as the first argument. [spec: ENT-7]
pub const ENV_PHASE: &str = "HOMEPORT_PHASE";
/// Environment: the instance's name. [spec: ENT-7]
pub const ENV_INSTANCE: &str = "HOMEPORT_INSTANCE";
/// Environment: the snapshot made before a migration; `migrate` refuses to run without it. [spec: ENT-7]
pub const ENV_SNAPSHOT: &str = "HOMEPORT_SNAPSHOT";
