//! Owns looking at what an instance needs to get another version of its port: volumes as they are now and as that version
//! has them, addresses that stay, come and go. Changes nothing but a volume's probe file.

use std::collections::BTreeMap;

use homeport_core::config::Effective;
use homeport_core::fault::Fault;
use homeport_core::manifest::Manifest;
use homeport_core::name::{EndpointName, VolumeName};
use homeport_core::unit::Format;

use super::{Survey, Surveyor};
use crate::image::PortImage;
use crate::ledger::{InstanceConfig, RouteChoice, RouteRecord};
use crate::operation::OperationError;
use crate::plan::{Blueprint, RoutePlan, VolumeWay};
use crate::request::{PortChoice, RouteWish};
use crate::run::records;

/// What the instance is until another version takes over.
pub(in crate::operation) struct Present<'a> {
    /// The manifest of the version that there is.
    pub(in crate::operation) manifest: &'a Manifest,
    /// The formats of volumes that are migrated or set back: what is checked now has them.
    pub(in crate::operation) formats: &'a BTreeMap<VolumeName, Format>,
    /// What the operator wants of endpoints that only the other version has.
    pub(in crate::operation) wished: &'a BTreeMap<EndpointName, RouteWish>,
    /// The addresses that the other version had when it was there before.
    pub(in crate::operation) former_routes: &'a [RouteRecord],
}

/// That a public address would have to carry something else: TCP and UDP have ports of their own, and the other version's may be
/// anybody's. Clients would not follow either.
fn other_transport(manifest: &Manifest, route: &RouteRecord) -> Option<Fault> {
    let endpoint = manifest.endpoints.get(&route.endpoint).filter(|other| other.transport != route.transport)?;
    let (name, instance) = (&route.endpoint, &route.instance);
    let message =
        format!("`{name}` has a public address over {}, and the other version has none there", route.transport.word());
    Some(
        Fault::new("HP-REQ-042", format!("endpoints.{name}"), message)
            .actual(format!("transport `{}`", endpoint.transport.word()))
            .expected(format!("transport `{}`, or an endpoint without a public address", route.transport.word()))
            .remedy(format!("`homeport remove {instance}` keeps its data; deploy the other version afterwards")),
    )
}

/// The configuration that the other version gets.
pub(in crate::operation) struct Configuration {
    pub(in crate::operation) stored: InstanceConfig,
    pub(in crate::operation) effective: Effective,
}

impl Surveyor<'_> {
    /// Another version of an instance that is there. `faults` are those that were found before.
    pub(in crate::operation) fn version(
        mut self,
        what: String,
        image: &PortImage,
        configuration: Configuration,
        present: &Present<'_>,
        faults: Vec<Fault>,
    ) -> Result<Survey, OperationError> {
        self.faults.extend(faults);
        self.ask_engine()?;
        self.formats = present.formats.clone();
        let (volumes, checked) = self.volumes(&BTreeMap::new())?;
        for (name, _) in volumes.iter().filter(|(_, plan)| plan.way == VolumeWay::Make) {
            if present.manifest.volumes.contains_key(name) {
                self.unknown_volume(name);
            }
        }
        let routes = self.routes_between(present)?;
        let instance = self.instance.clone();
        let Configuration { stored: InstanceConfig { given, carried, parked, .. }, effective } = configuration;
        let image = image.clone();
        self.finish(what, Blueprint { instance, image, given, effective, carried, parked, volumes, routes }, checked)
    }

    /// Addresses that are there stay; an endpoint that only the other version has gets one if an operator wants it to, or
    /// it had one before. [spec: UPG-50]
    fn routes_between(&mut self, present: &Present<'_>) -> Result<BTreeMap<EndpointName, RoutePlan>, OperationError> {
        let mut kept = self.ledger.routes(self.instance)?;
        kept.retain(|route| self.manifest.endpoints.contains_key(&route.endpoint));
        self.faults.extend(kept.iter().filter_map(|route| other_transport(self.manifest, route)));
        let mut plans = self.kept_routes(&kept);
        let mut wished: BTreeMap<EndpointName, RouteWish> = present.wished.clone();
        for name in self.manifest.endpoints.keys().filter(|name| !present.wished.contains_key(*name)) {
            let is_same = |route: &&RouteRecord| {
                route.endpoint == *name && route.transport == self.manifest.endpoints[name].transport
            };
            let former = present.former_routes.iter().find(is_same);
            let is_new = !present.manifest.endpoints.contains_key(name);
            let wish = match former.filter(|_| is_new) {
                Some(former) => self.again(former)?,
                None => RouteWish::None,
            };
            wished.insert(name.clone(), wish);
        }
        for name in present.wished.keys().filter(|name| present.manifest.endpoints.contains_key(*name)) {
            let said = format!("`{name}` is an endpoint of the present version too");
            let held = plans.get(name).map_or("no public address", |_| "a public address");
            self.faults.push(
                Fault::new("HP-REQ-041", format!("endpoints.{name}"), said)
                    .actual(held)
                    .expected("an endpoint that only the other version has")
                    .remedy(format!("leave `--route {name}=...` out: it stays as it is")),
            );
        }
        // An endpoint of which nothing is said would get an address of its own, as with a deploy.
        wished.extend(plans.keys().map(|name| (name.clone(), RouteWish::None)));
        let added = self.routes(&wished)?;
        let leased = self.ledger.leased_ports()?;
        for (name, mut plan) in added {
            let was_random = |route: &RouteRecord| route.endpoint == name && route.choice == RouteChoice::Random;
            if self.again.contains_key(&name) && present.former_routes.iter().any(was_random) {
                // Whatever else has that port by now does not keep the version from running.
                plan.ports.extend(self.ports(&name, PortChoice::Random, &leased).unwrap_or_default());
                plan.choice = PortChoice::Random;
            }
            plans.insert(name, plan);
        }
        Ok(plans)
    }

    /// What is asked for where an endpoint had an address before: that one. Where another endpoint has it by now, a version
    /// runs without it rather than not at all, and that is told.
    fn again(&mut self, former: &RouteRecord) -> Result<RouteWish, OperationError> {
        let Some(address) = records::listen_address(former) else { return Ok(RouteWish::None) };
        let held = |route: &RouteRecord| records::listen_address(route).is_some_and(|held| held.overlaps(address));
        let routes = self.ledger.all_routes()?;
        let Some(holder) = routes.iter().find(|route| held(route)) else {
            self.again.insert(former.endpoint.clone(), address);
            return Ok(RouteWish::On { host: address.host(), port: PortChoice::Fixed(address.port()) });
        };
        let endpoint = &former.endpoint;
        let (wish, instead) = match former.choice {
            RouteChoice::Random => {
                (RouteWish::On { host: address.host(), port: PortChoice::Random }, "it gets another random port")
            }
            RouteChoice::Fixed => (RouteWish::None, "it gets no public address"),
        };
        self.warnings.push(format!(
            "`{endpoint}` cannot have `{address}` again, which it had before and `{}` of `{}` has by now: {instead}; for one \
             of your choice: --route {endpoint}=ADDRESS",
            holder.endpoint, holder.instance
        ));
        Ok(wish)
    }
}
