//! Owns the routes that tests are about: of a process with few descriptors, and without a public socket. They lead nowhere yet.

use crate::descriptors::DescriptorLimit;
use crate::limits::Limits;
use crate::report::Reports;
use crate::route::{Route, Shared};
use crate::route_id::RouteId;

/// What a process with 1,024 descriptors can do.
pub(crate) fn limits() -> Limits {
    Limits::within(DescriptorLimit::new(1024)).unwrap()
}

/// The same, where each route has so many seats.
pub(crate) fn limits_of(seats: usize) -> Limits {
    Limits { connections_per_route: seats, ..limits() }
}

/// A route within these limits, alone in its router.
pub(crate) fn route(limits: Limits) -> Route {
    route_of("web", limits, &Shared::of(&limits, 1))
}

/// A route of this instance in a router that others share.
pub(crate) fn route_of(instance: &str, limits: Limits, shared: &Shared) -> Route {
    let id = RouteId { instance: instance.parse().unwrap(), endpoint: "ssh".parse().unwrap() };
    Route::new(id, "127.0.0.1:1".parse().unwrap(), limits, shared.clone(), Reports::new(|_| {}))
}
