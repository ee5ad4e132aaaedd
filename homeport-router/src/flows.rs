//! Owns which connections are live with which container, and the signal that ends them. Never touches a socket.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::gate::Generation;
use crate::status::LiveConnections;
use crate::target::ContainerId;

/// The connections that began with one target.
#[derive(Debug)]
struct Flow {
    container: ContainerId,
    live: AtomicUsize,
    ended: watch::Sender<bool>,
}

/// The live connections of a route, by the target that they began with.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    all: Mutex<BTreeMap<Generation, Arc<Flow>>>,
    /// Counts how often connections were told to end.
    ends: watch::Sender<u64>,
}

impl Flows {
    /// Counts a connection in until the ticket is dropped.
    pub(crate) fn enter(&self, generation: Generation, container: &ContainerId) -> FlowTicket<'_> {
        let mut flows = self.lock();
        let flow = flows.entry(generation).or_insert_with(|| {
            let container = container.clone();
            Arc::new(Flow { container, live: AtomicUsize::new(0), ended: watch::Sender::new(false) })
        });
        flow.live.fetch_add(1, Ordering::Relaxed);
        FlowTicket { flows: self, generation, flow: Arc::clone(flow) }
    }

    /// Tells the connections that are live with the container now to end, and returns their number.
    ///
    /// Later ones with the same container are not concerned: they enter a flow of their own.
    pub(crate) fn end(&self, container: &ContainerId) -> usize {
        let mut flows = self.lock();
        let ended: Vec<_> = flows.extract_if(.., |_, flow| flow.container == *container).collect();
        // Counted first, and under the lock: once told, connections count themselves out.
        let connections = ended.iter().map(|(_, flow)| flow.live.load(Ordering::Relaxed)).sum();
        drop(flows);
        for (_, flow) in ended {
            flow.ended.send_replace(true);
        }
        self.ends.send_modify(|ends| *ends += 1);
        connections
    }

    /// What changes whenever connections were told to end, for whoever looks after many.
    pub(crate) fn ends(&self) -> watch::Receiver<u64> {
        self.ends.subscribe()
    }

    /// How many are live.
    pub(crate) fn count(&self) -> usize {
        self.lock().values().map(|flow| flow.live.load(Ordering::Relaxed)).sum()
    }

    /// The live connections, the earliest target first.
    pub(crate) fn live(&self) -> Vec<LiveConnections> {
        let connections = |flow: &Flow| flow.live.load(Ordering::Relaxed);
        let live = |(generation, flow): (&Generation, &Arc<Flow>)| LiveConnections {
            generation: *generation,
            container: flow.container.clone(),
            connections: connections(flow),
        };
        self.lock().iter().map(live).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Generation, Arc<Flow>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place among the live ones.
#[derive(Debug)]
pub(crate) struct FlowTicket<'a> {
    flows: &'a Flows,
    generation: Generation,
    flow: Arc<Flow>,
}

impl FlowTicket<'_> {
    /// The container that the connection is live with.
    pub(crate) fn container(&self) -> &ContainerId {
        &self.flow.container
    }

    /// Completes when the connection has to end, also if that was said before. Safe to cancel and to call again.
    pub(crate) async fn ended(&self) {
        let mut ended = self.flow.ended.subscribe();
        // The sender lives in `self.flow`, so the wait ends by the value alone.
        drop(ended.wait_for(|ended| *ended).await);
    }

    /// Whether the connection has to end.
    pub(crate) fn is_ended(&self) -> bool {
        *self.flow.ended.borrow()
    }
}

impl Drop for FlowTicket<'_> {
    fn drop(&mut self) {
        let mut flows = self.flows.lock();
        let was_last = self.flow.live.fetch_sub(1, Ordering::Relaxed) == 1;
        if was_last && flows.get(&self.generation).is_some_and(|flow| Arc::ptr_eq(flow, &self.flow)) {
            flows.remove(&self.generation);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::gate::{Admission, Gate, GateEvent};
    use crate::target::Target;

    fn container(name: &str) -> ContainerId {
        name.parse().unwrap()
    }

    fn generation(of: u64) -> Generation {
        let mut gate = Gate::fresh();
        for n in 0..of {
            let target = Target::new(container(&format!("c{n}")), "127.0.0.1:1".parse().unwrap());
            gate.apply(GateEvent::Point(target));
        }
        let Admission::Forward(generation, _) = gate.admission() else { panic!("not pointed") };
        generation
    }

    fn counts(flows: &Flows) -> Vec<(u64, usize)> {
        flows.live().iter().map(|live| (live.generation.get(), live.connections)).collect()
    }

    #[test]
    fn connections_are_counted_by_the_target_they_began_with() {
        let flows = Flows::default();
        let (a, b) = (container("a"), container("b"));
        let first = flows.enter(generation(1), &a);
        let second = flows.enter(generation(1), &a);
        let third = flows.enter(generation(2), &b);
        assert_eq!(counts(&flows), [(1, 2), (2, 1)]);
        drop(first);
        assert_eq!(counts(&flows), [(1, 1), (2, 1)]);
        drop((second, third));
        assert_eq!(counts(&flows), []);
    }

    #[tokio::test(start_paused = true)]
    async fn only_connections_of_the_container_that_are_live_now_are_ended() {
        let flows = Flows::default();
        let (a, b) = (container("a"), container("b"));
        let before = flows.enter(generation(1), &a);
        let other = flows.enter(generation(2), &b);
        assert_eq!(flows.end(&a), 1);
        let later = flows.enter(generation(1), &a);
        assert_eq!([&before, &other, &later].map(FlowTicket::is_ended), [true, false, false]);
        let patience = Duration::from_secs(1);
        assert!(timeout(patience, before.ended()).await.is_ok());
        assert!(timeout(patience, other.ended()).await.is_err());
        assert!(timeout(patience, later.ended()).await.is_err());
        drop(before);
        assert_eq!(counts(&flows), [(1, 1), (2, 1)], "the one that was ended leaves the later one's count alone");
        assert_eq!(flows.end(&container("c")), 0);
    }
}
