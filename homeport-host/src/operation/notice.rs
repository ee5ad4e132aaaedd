//! Owns how what is worth telling about volumes that may be used is told while an operation runs. Decides nothing.

use homeport_core::fault::Fault;

use crate::host::Host;
use crate::progress::Event;

/// Tells of each as a warning. [spec: VOL-38]
pub(super) fn tell(host: &Host, notices: &[Fault]) {
    for notice in notices {
        host.progress.event(&Event::Warning { text: words(notice) });
    }
}

fn words(notice: &Fault) -> String {
    let remedy = if notice.remedy.is_empty() { String::new() } else { format!("; {}", notice.remedy) };
    format!("{notice}{remedy} ({})", notice.code)
}
