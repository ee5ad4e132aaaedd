//! Owns the writes about routes: a public address is leased to one endpoint at a time.

use homeport_core::unit::PortNumber;

use super::change::Change;
use super::error::LedgerError;
use super::refusal::Refusal;
use super::route::{RouteRecord, is_listen};
use super::write_instance;
use super::writer::LedgerWriter;

impl LedgerWriter<'_> {
    /// Leases the public address to the endpoint; what else the record says is written anew where it has it already.
    ///
    /// # Errors
    /// `PortTaken` where another endpoint has an address that cannot be listened on beside this one (`*` takes the port
    /// of its transport at every address); `UnknownInstance`; `Unstorable` for an address that is none and for port 0.
    pub fn put_route(&mut self, record: &RouteRecord) -> Result<Change, LedgerError> {
        check_storable(record)?;
        self.write(|ledger, connection| {
            write_instance::known(ledger, &record.instance)?;
            let mut routes = ledger.all_routes()?;
            if routes.contains(record) {
                return Ok(Change::Unchanged);
            }
            routes.retain(|other| other.overlaps(record) && !is_same_lease(other, record));
            if let Some(owner) = routes.pop() {
                let RouteRecord { instance, endpoint, listen, port, transport, .. } = owner;
                return Err(Refusal::PortTaken { listen, port, transport, instance, endpoint }.into());
            }
            connection
                .prepare_cached(
                    "INSERT INTO route (instance, endpoint, listen, port, choice, target_port, transport)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT (transport, port, listen) DO UPDATE SET choice = ?5, target_port = ?6",
                )?
                .execute((
                    record.instance.as_str(),
                    record.endpoint.as_str(),
                    &record.listen,
                    record.port.get(),
                    record.choice.as_str(),
                    record.target_port.get(),
                    record.transport.word(),
                ))?;
            Ok(Change::Changed)
        })
    }

    /// Gives the lease of this endpoint on this public address up. Another endpoint's lease on it stays.
    pub fn remove_route(&mut self, record: &RouteRecord) -> Result<Change, LedgerError> {
        self.execute(
            "DELETE FROM route WHERE instance = ?1 AND endpoint = ?2 AND listen = ?3 AND port = ?4 AND transport = ?5",
            (
                record.instance.as_str(),
                record.endpoint.as_str(),
                &record.listen,
                record.port.get(),
                record.transport.word(),
            ),
        )
    }
}

/// Whether both are the same address for the same endpoint.
fn is_same_lease(one: &RouteRecord, other: &RouteRecord) -> bool {
    one.instance == other.instance
        && one.endpoint == other.endpoint
        && one.listen == other.listen
        && one.port == other.port
        && one.transport == other.transport
}

fn check_storable(record: &RouteRecord) -> Result<(), Refusal> {
    if !is_listen(&record.listen) {
        return Err(Refusal::Unstorable {
            what: "the address of a route",
            found: record.listen.clone(),
            wanted: "an IP address or `*`",
        });
    }
    if [record.port, record.target_port].contains(&PortNumber::new(0)) {
        return Err(Refusal::Unstorable { what: "the port of a route", found: "0".to_owned(), wanted: "1 to 65535" });
    }
    Ok(())
}
