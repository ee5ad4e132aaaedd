//! Owns looking at everything that has to be known before something is done: the image, the configuration, the volumes,
//! the addresses. Everything that is wrong is found at once. Changes nothing but a volume's probe file.

mod routes;
mod version;

pub(super) use routes::no_such_endpoint;
pub(super) use version::{Configuration, Present};

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use homeport_core::config::{Effective, Value, beside_given, effective, parse_given};
use homeport_core::fault::{Advice as _, Fault};
use homeport_core::manifest::{self, Manifest};
use homeport_core::name::{ConfigKey, EndpointName, InstanceName, VolumeName};
use homeport_core::unit::Format;
use homeport_router::ListenAddress;
use homeport_volumes::{
    Access, Checked, Known, Neighbour, Origin as VolumeOrigin, Owner, Request, Reserve, VolumeError, VolumePath,
    VolumeUuid, check,
};

use super::error::OperationError;
use super::held::Held;
use super::notice::tell;
use super::place::misplaced;
use crate::host::Host;
use crate::image::PortImage;
use crate::ledger::{InstanceConfig, InstanceRecord, Ledger, Origin, RootId, RouteChoice, RouteRecord, VolumeRecord};
use crate::plan::{Blueprint, RoutePlan, VolumePlan, VolumeWay};
use crate::request::{DeployRequest, PortChoice};
use crate::run::{known, records};

/// What is to be, and the volumes that were checked for it.
pub(super) struct Survey {
    pub(super) blueprint: Blueprint,
    pub(super) checked: BTreeMap<VolumeName, Checked>,
    /// What is worth telling about volumes that may be used. [spec: VOL-38]
    pub(super) notices: Vec<Fault>,
    /// The addresses from before that are to be had again, by their endpoints.
    pub(super) again: BTreeMap<EndpointName, ListenAddress>,
    /// What becomes of those that cannot be had again.
    pub(super) warnings: Vec<String>,
}

/// Looks at everything for one instance of one image, and collects what is wrong.
pub(super) struct Surveyor<'a> {
    pub(super) host: &'a Host,
    pub(super) ledger: &'a Ledger,
    pub(super) root: &'a RootId,
    pub(super) instance: &'a InstanceName,
    pub(super) manifest: &'a Manifest,
    /// The formats that volumes have now and are not to keep: what is checked has them.
    formats: BTreeMap<VolumeName, Format>,
    faults: Vec<Fault>,
    notices: Vec<Fault>,
    again: BTreeMap<EndpointName, ListenAddress>,
    warnings: Vec<String>,
    engine_directory: String,
}

impl<'a> Surveyor<'a> {
    /// One that has not looked at anything yet.
    pub(super) fn new(
        host: &'a Host,
        ledger: &'a Ledger,
        root: &'a RootId,
        instance: &'a InstanceName,
        manifest: &'a Manifest,
    ) -> Self {
        let (formats, again, engine_directory) = (BTreeMap::new(), BTreeMap::new(), String::new());
        let (faults, notices, warnings) = (Vec::new(), Vec::new(), Vec::new());
        Self { host, ledger, root, instance, manifest, formats, faults, notices, again, warnings, engine_directory }
    }

    /// A new instance.
    pub(super) fn deploy(mut self, image: &PortImage, request: &DeployRequest) -> Result<Survey, OperationError> {
        self.ask_engine()?;
        let (given, effective) = self.configuration(request);
        let (volumes, checked) = self.volumes(&request.volumes)?;
        let routes = self.routes(&request.routes)?;
        let instance = self.instance.clone();
        let what = format!("deploy of `{instance}`");
        let (image, carried, parked) = (image.clone(), BTreeSet::new(), BTreeMap::new());
        self.finish(what, Blueprint { instance, image, given, effective, carried, parked, volumes, routes }, checked)
    }

    /// An instance that is there, with this configuration.
    pub(super) fn existing(
        mut self,
        what: String,
        image: &PortImage,
        given: BTreeMap<ConfigKey, Value>,
        effective: Effective,
    ) -> Result<Survey, OperationError> {
        self.ask_engine()?;
        let (volumes, checked) = self.volumes(&BTreeMap::new())?;
        for name in volumes.iter().filter(|(_, plan)| plan.way == VolumeWay::Make).map(|(name, _)| name) {
            self.unknown_volume(name);
        }
        let routes = self.kept_routes(&self.ledger.routes(self.instance)?);
        let instance = self.instance.clone();
        let (image, InstanceConfig { mut carried, parked, .. }) = (image.clone(), self.ledger.config(&instance)?);
        carried.retain(|key| !given.contains_key(key));
        self.finish(what, Blueprint { instance, image, given, effective, carried, parked, volumes, routes }, checked)
    }

    /// A volume that the instance has, by its manifest, and that the ledger does not know.
    fn unknown_volume(&mut self, name: &VolumeName) {
        self.faults.push(
            Fault::new(
                "HP-OPN-013",
                format!("volumes.{name}"),
                format!("volume `{name}` of `{}` is not known any more", self.instance),
            )
            .expected("the volume that was made when the instance was deployed")
            .remedy(format!(
                "`homeport remove {}` and deploy it again: a volume that is found is taken up",
                self.instance
            )),
        );
    }

    /// Addresses that the instance has, leading to where the manifest says.
    fn kept_routes(&mut self, records: &[RouteRecord]) -> BTreeMap<EndpointName, RoutePlan> {
        let mut routes = BTreeMap::new();
        for record in records {
            let choice = match record.choice {
                RouteChoice::Random => PortChoice::Random,
                RouteChoice::Fixed => PortChoice::Fixed(record.port),
            };
            let target = self.manifest.endpoints.get(&record.endpoint).map_or(record.target_port, |e| e.port);
            let Some(address) = records::listen_address(record) else {
                self.faults.push(
                    Fault::new(
                        "HP-OPN-014",
                        format!("endpoints.{}", record.endpoint),
                        "the ledger has an address that cannot be read",
                    )
                    .actual(format!("`{}`", homeport_core::text::clip(&record.listen, 60)))
                    .remedy("put a copy of the ledger from a backup in its place"),
                );
                continue;
            };
            let (host, transport, ports) = (address.host(), address.transport(), vec![record.port]);
            let plan = RoutePlan { host, choice, ports, target, transport };
            routes.insert(record.endpoint.clone(), plan);
        }
        routes
    }

    /// An instance that is there and for which no container is made: nothing but its configuration is of interest.
    pub(super) fn configuration_only(
        self,
        image: &PortImage,
        given: BTreeMap<ConfigKey, Value>,
        effective: Effective,
    ) -> Result<Survey, OperationError> {
        let (instance, volumes, routes) = (self.instance.clone(), BTreeMap::new(), BTreeMap::new());
        let (image, InstanceConfig { mut carried, parked, .. }) = (image.clone(), self.ledger.config(&instance)?);
        carried.retain(|key| !given.contains_key(key));
        let blueprint = Blueprint { instance, image, given, effective, carried, parked, volumes, routes };
        let (again, warnings) = (BTreeMap::new(), Vec::new());
        Ok(Survey { blueprint, checked: BTreeMap::new(), notices: Vec::new(), again, warnings })
    }

    fn finish(
        self,
        what: String,
        blueprint: Blueprint,
        checked: BTreeMap<VolumeName, Checked>,
    ) -> Result<Survey, OperationError> {
        if self.faults.is_empty() {
            tell(self.host, &self.notices);
            Ok(Survey { blueprint, checked, notices: self.notices, again: self.again, warnings: self.warnings })
        } else {
            Err(OperationError::Refused { what, faults: self.faults })
        }
    }

    /// Asks the engine what it is: it must be able to keep what the port is promised, and volumes must not lie in its data.
    fn ask_engine(&mut self) -> Result<(), OperationError> {
        let facts = self.host.engine.facts()?;
        self.faults.extend(facts.check());
        self.engine_directory = facts.directory;
        Ok(())
    }

    fn configuration(&mut self, request: &DeployRequest) -> (BTreeMap<ConfigKey, Value>, Effective) {
        let given = match parse_given(&self.manifest.config, &request.given) {
            Ok(given) => given,
            Err(faults) => {
                // A missing key is said in the same breath.
                let missing = effective(&self.manifest.config, &BTreeMap::new()).err().unwrap_or_default();
                self.faults.extend(faults);
                self.faults.extend(beside_given(&request.given, missing));
                return (BTreeMap::new(), Effective::default());
            }
        };
        match effective(&self.manifest.config, &given) {
            Ok(effective) => (given, effective),
            Err(faults) => {
                self.faults.extend(faults);
                (given, Effective::default())
            }
        }
    }

    #[expect(
        clippy::type_complexity,
        reason = "the plans and the descriptors that belong to them, under the same names"
    )]
    fn volumes(
        &mut self,
        wished: &BTreeMap<VolumeName, PathBuf>,
    ) -> Result<(BTreeMap<VolumeName, VolumePlan>, BTreeMap<VolumeName, Checked>), OperationError> {
        for name in wished.keys().filter(|name| !self.manifest.volumes.contains_key(*name)) {
            let known = self.manifest.volumes.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            self.faults.push(
                Fault::new("HP-REQ-003", format!("volumes.{name}"), format!("`{name}` is not a volume of this port"))
                    .expected(if known.is_empty() { "no volume at all".to_owned() } else { format!("one of {known}") })
                    .remedy("correct the name after `--volume`"),
            );
        }
        let records = self.ledger.all_volumes()?;
        let held = Held::of(self.host, self.ledger)?;
        let tolerated = known::own_processes(self.host, self.root, self.instance)?;
        let (mut plans, mut checked) = (BTreeMap::new(), BTreeMap::new());
        let manifest = self.manifest;
        for (name, declared) in &manifest.volumes {
            let record = records.iter().find(|record| {
                record.name == *name && record.instance == *self.instance && record.port == manifest.port.id
            });
            let Some((path, origin)) = self.place(name, wished.get(name), record) else { continue };
            let is_new = record.is_none() && origin == VolumeOrigin::Operator;
            if let Some(fault) = misplaced(&self.host.layout, name, path.as_path()).filter(|_| is_new) {
                self.faults.push(fault);
                continue;
            }
            let request = Request {
                root: self.root.clone(),
                port: manifest.port.id.clone(),
                instance: self.instance.clone(),
                volume: name.clone(),
                origin,
                path,
                format: declared.format,
                min_format: declared.min_format,
                owner: Owner { uid: declared.uid, gid: declared.gid, mode: declared.mode },
                reserve: Reserve { bytes: declared.min_free_bytes, inodes: declared.min_free_inodes },
                access: Access::ReadWrite,
                in_use_by: None,
                tolerated: tolerated.clone(),
                neighbours: self.neighbours(&records, &plans),
            };
            let is_first = matches!(request.origin, VolumeOrigin::Default { .. }) && record.is_none();
            if is_first && !self.host.layout.data_dir().exists() {
                // Before anything was ever done here there is no data root: only a plan that is not carried out sees that.
                let uuid = VolumeUuid::random();
                plans.insert(name.clone(), VolumePlan { request, uuid, way: VolumeWay::Make, before: None });
                continue;
            }
            let before = operators_directory(&request);
            let known = match record.map(records::known).transpose() {
                Ok(known) => {
                    known.map(|known| Known { counted: record.and_then(|record| held.counted(record)), ..known })
                }
                Err(fault) => {
                    self.faults.push(*fault);
                    continue;
                }
            };
            // What is going to be migrated is checked as it is.
            let now = self.formats.get(name).map(|format| Request {
                format: *format,
                min_format: *format,
                ..request.clone()
            });
            match check(&self.host.machine, now.as_ref().unwrap_or(&request), known.as_ref()) {
                Ok(found) => {
                    let (uuid, way) = match &found {
                        Checked::Create(_) => (VolumeUuid::random(), VolumeWay::Make),
                        Checked::Attach(ready) => {
                            self.notices.extend_from_slice(ready.notices());
                            (ready.marker().uuid, VolumeWay::Take)
                        }
                    };
                    plans.insert(name.clone(), VolumePlan { request, uuid, way, before });
                    checked.insert(name.clone(), found);
                }
                Err(VolumeError::Refused(faults)) => self.faults.extend(faults),
                Err(error) => self.faults.push(
                    Fault::new(error.code(), format!("volumes.{name}"), crate::run::with_causes(&error))
                        .remedy(error.help().unwrap_or_default()),
                ),
            }
        }
        Ok((plans, checked))
    }

    /// Where a volume is: where the operator says, where the ledger remembers it, or where HomePort puts it.
    fn place(
        &mut self,
        name: &VolumeName,
        wished: Option<&PathBuf>,
        record: Option<&VolumeRecord>,
    ) -> Option<(VolumePath, VolumeOrigin)> {
        if let (Some(wished), Some(record)) = (wished, record)
            && *wished != record.path
        {
            self.faults.push(
                Fault::new(
                    "HP-REQ-004",
                    format!("volumes.{name}"),
                    format!("volume `{name}` of `{}` is somewhere else", self.instance),
                )
                .actual(format!("`{}` in the request", wished.display()))
                .expected(format!("`{}`, where its data is", record.path.display()))
                .remedy(format!(
                    "leave `--volume {name}=...` out to use the data that is there, or choose another `--name`; where \
                     it is at the other path by now, run `homeport volume move {} {name} PATH`",
                    self.instance
                )),
            );
            return None;
        }
        let is_operators = wished.is_some() || record.is_some_and(|record| record.origin == Origin::Operator);
        let path = match (wished, record) {
            (Some(path), _) => path.clone(),
            (None, Some(record)) => record.path.clone(),
            (None, None) => self.host.layout.volume_dir(self.instance, name),
        };
        let read = |path: &Path| VolumePath::try_from(path);
        let place = if is_operators {
            read(&path).map(|path| (path, VolumeOrigin::Operator))
        } else {
            read(self.host.layout.data_dir())
                .and_then(|data_root| Ok((read(&path)?, VolumeOrigin::Default { data_root })))
        };
        place
            .map_err(|error| {
                self.faults.push(
                    Fault::new("HP-REQ-005", format!("volumes.{name}"), error.to_string())
                        .remedy(format!("give the whole path, from `/` on: `--volume {name}=/PATH`")),
                );
            })
            .ok()
    }

    /// Every directory that a volume must not overlap with.
    fn neighbours(&self, records: &[VolumeRecord], planned: &BTreeMap<VolumeName, VolumePlan>) -> Vec<Neighbour> {
        let planned = planned.iter().map(|(name, plan)| Neighbour {
            label: format!("volume `{name}` of the same instance"),
            path: plan.request.path.clone(),
            uuid: Some(plan.uuid),
        });
        let mut neighbours = known::neighbours(self.host, records);
        neighbours.extend(planned);
        neighbours.extend(known::engine_directory(&self.engine_directory));
        neighbours
    }
}

/// Owner, group and mode of an operator's directory, so that it can be given back as it was.
fn operators_directory(request: &Request) -> Option<(u32, u32, u32)> {
    if !matches!(request.origin, VolumeOrigin::Operator) {
        return None;
    }
    let facts = std::fs::symlink_metadata(request.path.as_path()).ok()?;
    Some((facts.uid(), facts.gid(), facts.mode() & 0o7777))
}

/// The port of a recorded instance, as it was deployed.
pub(super) fn recorded_image(record: &InstanceRecord) -> Result<PortImage, OperationError> {
    let manifest = manifest::parse(&record.manifest)
        .map_err(|source| OperationError::StoredManifest { name: record.name.clone(), source })?;
    Ok(PortImage { id: record.image, reference: record.reference.clone(), manifest, bytes: record.manifest.clone() })
}

/// The effective values of a recorded instance, apart by whether they may be shown. Values that were stored stay as they
/// are, also where a default has changed since.
pub(super) fn recorded_effective(manifest: &Manifest, values: BTreeMap<ConfigKey, Value>) -> Effective {
    let mut effective = Effective::default();
    for (key, value) in values {
        let secret =
            manifest.config.get(&key).is_some_and(|spec| spec.secrecy == homeport_core::config::Secrecy::Secret);
        let part = if secret { &mut effective.secret } else { &mut effective.open };
        part.insert(key, value);
    }
    effective
}
