//! Owns how public addresses are shown. Never asks the daemon.

use homeport_host::operation::RouteView;

use super::page::Page;
use super::table::Table;
use super::{Render, daemon};

/// Every route.
#[derive(Debug, serde::Serialize)]
pub(crate) struct RoutesReport {
    pub(crate) routes: Vec<RouteView>,
}

impl Render for RoutesReport {
    fn text(&self, page: &mut Page) {
        if self.routes.is_empty() {
            page.line("there are no public addresses");
            return;
        }
        let mut table = Table::new(&["INSTANCE", "ENDPOINT", "ADDRESS", "STATE", "OPEN"]);
        for route in &self.routes {
            let state = route.live.as_ref().map_or_else(|| "not held by the daemon".to_owned(), daemon::state);
            table.row([
                route.instance.to_string(),
                route.endpoint.to_string(),
                route.address.to_string(),
                state,
                route.live.as_ref().map(|live| live.open.to_string()).unwrap_or_default(),
            ]);
        }
        table.write(page, "");
    }
}
