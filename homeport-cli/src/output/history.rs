//! Owns how the history of an instance is shown. Never asks the host.

use homeport_core::name::InstanceName;
use homeport_host::operation::HistoryLine;

use super::Render;
use super::amount::moment;
use super::page::Page;
use super::table::Table;

/// What was done to an instance, the oldest first.
#[derive(Debug, serde::Serialize)]
pub(crate) struct HistoryReport {
    pub(crate) instance: InstanceName,
    pub(crate) lines: Vec<HistoryLine>,
}

impl Render for HistoryReport {
    fn text(&self, page: &mut Page) {
        if self.lines.is_empty() {
            page.line(format_args!("nothing is known to have been done to `{}`", self.instance));
            return;
        }
        let mut table = Table::new(&["TIME", "KIND", "WHAT"]);
        for line in &self.lines {
            table.row([moment(&line.time), line.kind.clone(), line.text.clone()]);
        }
        table.write(page, "");
    }
}
