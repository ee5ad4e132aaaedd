//! Owns what an engine is and can enforce, and whether that is enough. Never asks it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use homeport_core::fault::Fault;

/// A version of the engine's API, for example 1.41.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// Before the dot.
    pub major: u16,
    /// After the dot.
    pub minor: u16,
}

/// The oldest API that HomePort works with: Docker 20.10.
pub const OLDEST_API: ApiVersion = ApiVersion { major: 1, minor: 41 };

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A text that is no API version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an API version: wanted MAJOR.MINOR, for example `{OLDEST_API}`")]
pub struct ApiVersionError(pub String);

impl FromStr for ApiVersion {
    type Err = ApiVersionError;

    fn from_str(text: &str) -> Result<Self, ApiVersionError> {
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? }))
            .ok_or_else(|| ApiVersionError(text.to_owned()))
    }
}

/// Which control groups the engine uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    /// The first.
    V1,
    /// The unified one.
    V2,
    /// None: no limit is enforced.
    None,
}

/// Something that an engine can do or is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Enforces memory limits.
    MemoryLimit,
    /// Enforces limits on swap beside memory.
    SwapLimit,
    /// Enforces limits on processes.
    PidLimit,
    /// Weighs processor shares.
    CpuShares,
    /// Filters system calls.
    Seccomp,
    /// Confines with `AppArmor`.
    AppArmor,
    /// Confines with `SELinux`.
    SeLinux,
    /// Maps container users to other users of the host.
    UserNamespace,
    /// Runs without root.
    Rootless,
    /// Keeps containers running while it restarts.
    LiveRestore,
}

/// What is true of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineFacts {
    /// Its own version, for example `20.10.24+dfsg1`.
    pub version: String,
    /// The newest API that it speaks.
    pub api: ApiVersion,
    /// Its control groups.
    pub cgroups: CgroupVersion,
    /// What it can do.
    pub features: BTreeSet<Feature>,
    /// How it stores images, for example `overlay2`.
    pub storage: String,
    /// Where it keeps everything on the host.
    pub directory: String,
    /// The processor architecture, for example `x86_64`.
    pub architecture: String,
    /// What it warns of by itself.
    pub warnings: Vec<String>,
}

impl EngineFacts {
    /// Why this engine cannot keep a port within its bounds; empty where it can.
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.api < OLDEST_API {
            faults.push(
                Fault::new("HP-ENG-101", "engine.api", "the container engine is too old")
                    .actual(format!("API {} (version {})", self.api, self.version))
                    .expected(format!("API {OLDEST_API} or newer (Docker 20.10)"))
                    .remedy("install a newer Docker"),
            );
        }
        if self.features.contains(&Feature::Rootless) {
            faults.push(
                Fault::new("HP-ENG-102", "engine.rootless", "the container engine runs without root")
                    .expected("one that runs as root: addresses and owners of files are others in a rootless one")
                    .remedy("point HomePort to the socket of the system's engine"),
            );
        }
        for (feature, code, what) in [
            (Feature::MemoryLimit, "HP-ENG-103", "memory"),
            (Feature::PidLimit, "HP-ENG-104", "the number of processes"),
        ] {
            if self.cgroups == CgroupVersion::None || !self.features.contains(&feature) {
                faults.push(
                    Fault::new(code, "engine.limits", format!("the container engine cannot limit {what}"))
                        .remedy("mount the control groups of the kernel and restart the engine"),
                );
            }
        }
        if !self.features.contains(&Feature::Seccomp) {
            faults.push(
                Fault::new("HP-ENG-105", "engine.seccomp", "the container engine does not filter system calls")
                    .remedy("use a kernel and an engine built with seccomp, and no `unconfined` default profile"),
            );
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> EngineFacts {
        EngineFacts {
            version: "20.10.24".to_owned(),
            api: OLDEST_API,
            cgroups: CgroupVersion::V1,
            features: [Feature::MemoryLimit, Feature::PidLimit, Feature::Seccomp].into(),
            storage: "overlay2".to_owned(),
            directory: "/var/lib/docker".to_owned(),
            architecture: "x86_64".to_owned(),
            warnings: Vec::new(),
        }
    }

    fn codes(facts: &EngineFacts) -> Vec<&'static str> {
        facts.check().iter().map(|fault| fault.code).collect()
    }

    #[test]
    fn an_engine_must_be_new_enough_rootful_and_able_to_limit() {
        assert!(codes(&good()).is_empty());
        assert_eq!(codes(&EngineFacts { api: "1.40".parse().unwrap(), ..good() }), ["HP-ENG-101"]);
        assert!(codes(&EngineFacts { api: "1.100".parse().unwrap(), ..good() }).is_empty());
        assert_eq!(codes(&EngineFacts { cgroups: CgroupVersion::None, ..good() }), ["HP-ENG-103", "HP-ENG-104"]);
        let none = EngineFacts { features: [Feature::Rootless].into(), ..good() };
        assert_eq!(codes(&none), ["HP-ENG-102", "HP-ENG-103", "HP-ENG-104", "HP-ENG-105"]);
    }

    #[test]
    fn an_api_version_is_two_numbers() {
        assert!("1.9".parse::<ApiVersion>().unwrap() < "1.41".parse().unwrap());
        for bad in ["", "1", "1.", "1.x", "1.2.3", "-1.2"] {
            assert!(bad.parse::<ApiVersion>().is_err(), "{bad}");
        }
    }
}
