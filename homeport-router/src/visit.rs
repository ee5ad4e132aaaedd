//! Owns the one line that a connection leaves when it has ended, where the route's rules ask for it. Never counts anything.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::report::Report;
use crate::route::Route;
use crate::route_id::RouteId;
use crate::rules::AccessLog;
use crate::target::ContainerId;
use crate::traffic::Passed;

/// As much of a container's id as engines show.
const SHORT: usize = 12;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisitEnd {
    /// Both sides ended their data.
    Closed,
    /// One side was reset, or has fallen silent.
    Reset,
    /// Its container was ended.
    ContainerEnded,
    /// Nothing went over it for as long as it may be idle.
    Idle,
    /// It did not get to a container.
    Unserved,
    /// The route was given up, or the router ended.
    Released,
}

impl fmt::Display for VisitEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::ContainerEnded => "container-ended",
            Self::Idle => "idle",
            Self::Unserved => "unserved",
            Self::Released => "released",
        })
    }
}

/// What is known of a connection that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The route.
    pub route: RouteId,
    /// Where the client came from; IPv4 is told as such.
    pub client: SocketAddr,
    /// The container that it was connected with.
    pub container: Option<ContainerId>,
    /// How long it lasted, from when the route let it in.
    pub lasted: Duration,
    /// Bytes that the container was given.
    pub from_client: u64,
    /// Bytes that the client was given.
    pub to_client: u64,
    /// How it ended.
    pub end: VisitEnd,
}

impl fmt::Display for Visit {
    /// One line of `key=value`, for programs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |container: &'_ ContainerId| container.as_str().chars().take(SHORT).collect();
        let container = self.container.as_ref().map_or_else(|| "-".to_owned(), short);
        write!(
            f,
            "access route={} client={} container={container} seconds={:.3} in={} out={} end={}",
            self.route,
            self.client,
            self.lasted.as_secs_f64(),
            self.from_client,
            self.to_client,
            self.end
        )
    }
}

/// A connection that goes on: what it has passed, and the line that it leaves when this is dropped, where it is to leave one.
#[derive(Debug)]
pub(crate) struct Visiting {
    pub(crate) passed: Passed,
    /// Kept apart: most routes want none.
    line: Option<Box<Line>>,
}

#[derive(Debug)]
struct Line {
    route: Arc<Route>,
    client: SocketAddr,
    began: Instant,
    container: Option<ContainerId>,
    end: VisitEnd,
}

impl Visiting {
    /// A client of the route that was let in just now.
    pub(crate) fn new(route: &Arc<Route>, client: SocketAddr) -> Self {
        let line = || {
            let (route, began) = (Arc::clone(route), Instant::now());
            Box::new(Line { route, client, began, container: None, end: VisitEnd::Released })
        };
        Self { passed: Passed::default(), line: (route.access_log() == AccessLog::On).then(line) }
    }

    /// It is connected with this container.
    pub(crate) fn connected_with(&mut self, container: &ContainerId) {
        if let Some(line) = &mut self.line {
            line.container = Some(container.clone());
        }
    }

    /// It has ended so.
    pub(crate) fn ended(&mut self, end: VisitEnd) {
        if let Some(line) = &mut self.line {
            line.end = end;
        }
    }
}

impl Drop for Visiting {
    fn drop(&mut self) {
        let Some(line) = self.line.take() else { return };
        let Line { route, client, began, container, end } = *line;
        route.reports.say(&Report::Visited(Visit {
            route: route.id.clone(),
            client: SocketAddr::new(client.ip().to_canonical(), client.port()),
            container,
            lasted: began.elapsed(),
            from_client: self.passed.from_client.get(),
            to_client: self.passed.to_client.get(),
            end,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_is_one_line_of_keys_and_values() {
        let visit = Visit {
            route: RouteId { instance: "alice".parse().unwrap(), endpoint: "ssh".parse().unwrap() },
            client: "[2001:db8::7]:5000".parse().unwrap(),
            container: Some("0123456789abcdef".parse().unwrap()),
            lasted: Duration::from_micros(1_203_499),
            from_client: 100,
            to_client: 200,
            end: VisitEnd::ContainerEnded,
        };
        assert_eq!(
            visit.to_string(),
            "access route=alice/ssh client=[2001:db8::7]:5000 container=0123456789ab seconds=1.203 in=100 out=200 \
             end=container-ended"
        );
        let unserved = Visit { container: None, end: VisitEnd::Unserved, ..visit };
        assert!(unserved.to_string().contains("container=- ") && unserved.to_string().ends_with("end=unserved"));
    }
}
