//! `homeport repair`.

use homeport_host::operation::{Repaired, repair};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::RepairReport;

pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    let repaired = repair(&context.host()?)?;
    let exit = exit_of(&repaired);
    context.print(&RepairReport::new(repaired))?;
    Ok(exit)
}

/// What is still stuck is the way back that failed, as it was for the command that got stuck.
const fn exit_of(repaired: &Repaired) -> Exit {
    if repaired.stuck.is_empty() { Exit::Done } else { Exit::Stuck }
}

#[cfg(test)]
mod tests {
    use homeport_host::operation::{EndedHow, EndedOperation};

    use super::*;

    #[test]
    fn a_repair_fails_where_something_is_still_stuck_whatever_else_is_at_its_end() {
        let one = |how| EndedOperation { kind: "upgrade".to_owned(), instance: "alice".parse().unwrap(), how };
        let ended = || vec![one(EndedHow::Finished), one(EndedHow::TakenBack)];
        let stuck = || vec![("deploy".to_owned(), "bob".parse().unwrap(), "no room".to_owned())];
        for (ended, stuck, exit) in [
            (Vec::new(), Vec::new(), Exit::Done),
            (ended(), Vec::new(), Exit::Done),
            (ended(), stuck(), Exit::Stuck),
            (Vec::new(), stuck(), Exit::Stuck),
        ] {
            assert_eq!(exit_of(&Repaired { ended, stuck }), exit);
        }
    }
}
