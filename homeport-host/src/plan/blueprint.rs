//! Owns everything that is decided about an instance before anything is done: image, configuration, volumes, routes.
//! Pure values; secrets are in it, so it is never written to a journal and its `Debug` shows none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use homeport_core::config::{Effective, Value};
use homeport_core::manifest::Transport;
use homeport_core::name::{ConfigKey, EndpointName, InstanceName, VolumeName};
use homeport_core::unit::PortNumber;
use homeport_core::upgrade::Parked;
use homeport_router::ListenHost;
use homeport_volumes::{Request, VolumeUuid};

use crate::image::PortImage;
use crate::request::PortChoice;

/// One instance as it is to be.
#[derive(Clone)]
pub struct Blueprint {
    /// Its name.
    pub instance: InstanceName,
    /// Its port.
    pub image: PortImage,
    /// The configuration as the operator gave it.
    pub given: BTreeMap<ConfigKey, Value>,
    /// The configuration with defaults.
    pub effective: Effective,
    /// The keys whose value was taken over from another key.
    pub carried: BTreeSet<ConfigKey>,
    /// What is kept aside for another version.
    pub parked: BTreeMap<ConfigKey, Parked>,
    /// Its volumes.
    pub volumes: BTreeMap<VolumeName, VolumePlan>,
    /// Its routes; endpoints without one are left out.
    pub routes: BTreeMap<EndpointName, RoutePlan>,
}

/// One volume as it was judged.
#[derive(Debug, Clone)]
pub struct VolumePlan {
    /// What was asked of it.
    pub request: Request,
    /// Its identity.
    pub uuid: VolumeUuid,
    /// Whether it is made or taken.
    pub way: VolumeWay,
    /// Owner, group and mode of the operator's directory before it is made a volume.
    pub before: Option<(u32, u32, u32)>,
}

/// Whether a volume is made or taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeWay {
    /// It is made: there was none.
    Make,
    /// It is there.
    Take,
}

/// One route as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePlan {
    /// The addresses of the host.
    pub host: ListenHost,
    /// What was asked of the port.
    pub choice: PortChoice,
    /// The ports that will do, the best first.
    pub ports: Vec<PortNumber>,
    /// The port inside the container.
    pub target: PortNumber,
    /// What carries the bytes.
    pub transport: Transport,
}

impl fmt::Debug for Blueprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blueprint")
            .field("instance", &self.instance)
            .field("image", &self.image.id)
            .field("given", &self.given.keys())
            .field("volumes", &self.volumes)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}
