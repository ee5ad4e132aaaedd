//! Owns what the ledger remembers of what an operator allows on a route, and the write about it. It goes with its instance,
//! and outlives the address. Never decides who comes in: the router does.

use std::collections::BTreeMap;

use homeport_router::{RouteId, RouteRules};
use rusqlite::Row;

use super::change::Change;
use super::error::LedgerError;
use super::read::Ledger;
use super::refusal::Refusal;
use super::row::{parsed, unfit};
use super::write_instance;
use super::writer::LedgerWriter;

fn rules(row: &Row<'_>) -> rusqlite::Result<(RouteId, RouteRules)> {
    let id = RouteId { instance: parsed(row, "instance")?, endpoint: parsed(row, "endpoint")? };
    let text: String = row.get("rules")?;
    Ok((id, serde_json::from_str(&text).map_err(|error| unfit(row, "rules", error))?))
}

impl Ledger {
    /// Every route with rules other than the usual ones.
    pub fn route_rules(&self) -> Result<BTreeMap<RouteId, RouteRules>, LedgerError> {
        let found = self.all("SELECT instance, endpoint, rules FROM route_rules", [], rules)?;
        Ok(found.into_iter().collect())
    }
}

impl LedgerWriter<'_> {
    /// Makes the rules of the route exactly these; the usual ones are forgotten.
    ///
    /// # Errors
    /// `UnknownInstance`.
    pub fn put_route_rules(&mut self, id: &RouteId, rules: &RouteRules) -> Result<Change, LedgerError> {
        self.write(|ledger, connection| {
            write_instance::known(ledger, &id.instance)?;
            if ledger.route_rules()?.get(id).unwrap_or(&RouteRules::default()) == rules {
                return Ok(Change::Unchanged);
            }
            let place = (id.instance.as_str(), id.endpoint.as_str());
            if rules.are_usual() {
                connection
                    .prepare_cached("DELETE FROM route_rules WHERE instance = ?1 AND endpoint = ?2")?
                    .execute(place)?;
                return Ok(Change::Changed);
            }
            let text = serde_json::to_string(rules).map_err(|error| Refusal::Unstorable {
                what: "the rules of a route",
                found: error.to_string(),
                wanted: "rules that can be written as JSON",
            })?;
            connection
                .prepare_cached(
                    "INSERT INTO route_rules (instance, endpoint, rules) VALUES (?1, ?2, ?3)
                     ON CONFLICT (instance, endpoint) DO UPDATE SET rules = ?3",
                )?
                .execute((place.0, place.1, text))?;
            Ok(Change::Changed)
        })
    }
}
