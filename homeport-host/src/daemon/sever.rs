//! Owns which connections end with a container: those that clients have with it, on whatever route, and no others. A killed
//! container may say nothing to its peers, which then hang. Never changes where a route leads.

use homeport_core::name::InstanceName;
use homeport_router::{RouteId, Router};

use crate::engine::{ContainerId, ContainerRef, Engine};

/// Ends what clients of this instance have with a container that has ended.
pub(super) fn end_with(router: &Router, name: &InstanceName, container: &ContainerId) {
    let Ok(container) = container.as_str().parse() else { return };
    for status in router.status().into_iter().filter(|status| status.id.instance == *name) {
        router.end_connections(&status.id, &container).ok();
    }
}

/// Ends the connections of a route with other containers than these.
pub(super) fn end_others(router: &Router, id: &RouteId, staying: &[ContainerId]) {
    let live = router.status().into_iter().filter(|status| status.id == *id).flat_map(|status| status.live);
    for connections in live {
        if !staying.iter().any(|one| one.as_str() == connections.container.as_str()) {
            router.end_connections(id, &connections.container).ok();
        }
    }
}

/// Ends what is connected with containers of which the engine says that they do not run: that one ended may have been missed.
pub(super) fn end_dead(router: &Router, engine: &dyn Engine) {
    for status in router.status() {
        for connections in status.live {
            let Ok(container) = connections.container.as_str().parse() else { continue };
            // An engine that does not answer says nothing about any container.
            let Ok(found) = engine.inspect(&ContainerRef::Id(container)) else { return };
            if found.is_none_or(|facts| !facts.state.is_running()) {
                router.end_connections(&status.id, &connections.container).ok();
            }
        }
    }
}
