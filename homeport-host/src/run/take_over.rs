//! Owns what the ledger gets when another version takes over: the version, its configuration, where its routes lead, the
//! version from before, and the container that still has clients. All of it is one write. Never touches a volume.

use std::time::Duration;

use homeport_core::name::{EndpointName, InstanceName};
use homeport_core::unit::{PortNumber, Seconds};
use homeport_core::upgrade::Formats;
use homeport_volumes::TxId;

use super::error::StepError;
use super::records;
use super::session::Session;
use crate::container::stop_grace;
use crate::ledger::{
    FormerRecord, InstanceConfig, InstanceRecord, LedgerError, LedgerWriter, RetiringRecord, RouteRecord, TrashRecord,
    VolumeRecord, VolumeState,
};
use crate::plan::{Gone, Plan, retire};

/// What is to be written.
pub(super) struct TakingOver {
    instance: InstanceRecord,
    config: InstanceConfig,
    former: FormerRecord,
    retiring: Option<RetiringRecord>,
    /// Whether clients of the container from before may stay.
    lingers: bool,
    /// The routes whose endpoint has another port in the new version.
    routes: Vec<RouteRecord>,
    /// The routes whose endpoint the new version does not have.
    gone: Vec<RouteRecord>,
    /// The volumes and whether the new version has them.
    volumes: Vec<(String, VolumeState)>,
}

impl Session<'_, '_> {
    /// Everything that the ledger gets, from what it has and what is to be.
    pub(super) fn taking_over(&self, bundle: TxId, linger: Option<Seconds>) -> Result<TakingOver, StepError> {
        let missing = |missing| StepError::OutOfOrder { step: "take_over", missing };
        let blueprint = self.blueprint("take_over")?;
        let present = self.writer.instance(&self.instance)?.ok_or(missing("the instance"))?;
        let manifest = &blueprint.image.manifest;
        let volumes = self.writer.volumes(&self.instance)?;
        let own = |record: &&VolumeRecord| record.port == present.port;
        let now = self.host.now();
        let retiring = present.container.clone().map(|container| RetiringRecord {
            container,
            instance: self.instance.clone(),
            slot: present.slot,
            version: present.version.clone(),
            grace: grace_of(&present),
            bundle,
            since: now.clone(),
            until: now.after(Duration::from_secs(linger.map_or(0, Seconds::get).into())),
        });
        let formats = self.formats_before(volumes.iter().filter(own));
        let target = |endpoint: &EndpointName| -> Option<PortNumber> {
            manifest.endpoints.get(endpoint).map(|endpoint| endpoint.port)
        };
        let all = self.writer.routes(&self.instance)?;
        let is_gone = |route: &&RouteRecord| !manifest.endpoints.contains_key(&route.endpoint);
        let gone: Vec<RouteRecord> = all.iter().filter(is_gone).cloned().collect();
        let routes = all.into_iter().filter_map(|route| {
            let port = target(&route.endpoint).filter(|port| *port != route.target_port)?;
            Some(RouteRecord { target_port: port, ..route })
        });
        let next = records::instance(blueprint);
        Ok(TakingOver {
            config: records::config(blueprint),
            former: FormerRecord {
                instance: self.instance.clone(),
                version: present.version,
                image: present.image,
                reference: present.reference,
                manifest: present.manifest,
                formats,
                routes: gone.clone(),
                snapshot: self.before,
                bundle,
                until: now.clone(),
            },
            retiring,
            lingers: linger.is_some(),
            routes: routes.collect(),
            gone,
            volumes: volumes
                .iter()
                .filter(own)
                .map(|record| {
                    let is_declared = manifest.volumes.contains_key(&record.name);
                    (record.uuid.clone(), if is_declared { VolumeState::Attached } else { VolumeState::Kept })
                })
                .collect(),
            instance: InstanceRecord {
                slot: self.slot()?,
                container: self.container.clone(),
                desired: present.desired,
                created: present.created,
                overrides: present.overrides,
                changed: now,
                ..next
            },
        })
    }

    /// The format that each of the port's volumes had before this operation: of one that was exchanged the ledger has the
    /// new one. The instance may have volumes of the same names that another port left.
    fn formats_before<'a>(&self, own: impl Iterator<Item = &'a VolumeRecord>) -> Formats {
        let format = |record: &VolumeRecord| self.formats.get(&record.name).copied().unwrap_or(record.format);
        own.map(|record| (record.name.clone(), format(record))).collect()
    }
}

fn grace_of(record: &InstanceRecord) -> Seconds {
    homeport_core::manifest::parse(&record.manifest).map_or(Seconds::new(60), |manifest| stop_grace(&manifest))
}

impl TakingOver {
    /// From where to where, for the history.
    pub(super) fn words(&self) -> String {
        format!("from {} to {}", self.former.version, self.instance.version)
    }

    /// Writes it, as a part of the transaction that ends the operation.
    pub(super) fn write(&self, writer: &mut LedgerWriter<'_>) -> Result<(), LedgerError> {
        writer.put_instance(&self.instance)?;
        writer.put_config(&self.instance.name, &self.config)?;
        writer.put_former(&self.former)?;
        for route in &self.routes {
            writer.put_route(route)?;
        }
        for route in &self.gone {
            writer.remove_route(route)?;
        }
        for (uuid, state) in &self.volumes {
            writer.set_volume_state(uuid, *state)?;
        }
        if let Some(retiring) = &self.retiring {
            writer.put_retiring(retiring)?;
        }
        Ok(())
    }

    /// What is left to be done for good: trees go to the trash, and the container from before goes unless it has clients.
    pub(super) fn following(&self, instance: &InstanceName, replaced: &[TrashRecord]) -> Option<Plan> {
        let trees: Vec<_> = replaced.iter().map(|one| (one.name.clone(), one.volume, one.tx)).collect();
        let containers: Vec<RetiringRecord> =
            if self.lingers { Vec::new() } else { self.retiring.iter().cloned().collect() };
        let gone: Vec<EndpointName> = self.gone.iter().map(|route| route.endpoint.clone()).collect();
        let gone = if self.lingers { Gone::InUse(&gone) } else { Gone::Free(&gone) };
        let plan = retire(instance, &trees, gone, &containers);
        (!plan.steps.is_empty()).then_some(plan)
    }
}
