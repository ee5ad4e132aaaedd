//! Owns asking for consent: whether what is planned needs one, and whether the token that came fits. Never plans anything.

use super::error::OperationError;
use crate::approval::{ApprovalError, Facts, Issued, Token, TokenUse, issue, judge};
use crate::host::Host;
use crate::ledger::LedgerWriter;

/// What is to be consented to.
#[derive(Debug)]
pub(super) struct Question {
    /// The command, for example `purge alice`.
    pub(super) command: String,
    /// Everything that the consent goes by.
    pub(super) facts: Facts,
    /// Why consent is needed; `None` where it is not.
    pub(super) needed: Option<String>,
}

impl Question {
    /// The consent by which this may be done; `None` where it needs none.
    ///
    /// # Errors
    /// One is missing, does not fit, or was given for nothing.
    pub(super) fn consent(
        &self,
        host: &Host,
        writer: &LedgerWriter<'_>,
        token: Option<&Token>,
    ) -> Result<Option<TokenUse>, OperationError> {
        let command = self.command.clone();
        match (&self.needed, token) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(ApprovalError::NotNeeded { command }.into()),
            (Some(why), None) => Err(ApprovalError::Missing { command, why: why.clone() }.into()),
            (Some(why), Some(token)) => {
                let found = writer.approval(&token.digest())?;
                Ok(Some(judge(found.as_ref(), token, &self.command, &self.bound(why), &host.now())?))
            }
        }
    }

    /// A token for exactly this; `None` where none is needed.
    pub(super) fn offer(&self, host: &Host, writer: &mut LedgerWriter<'_>) -> Result<Option<Issued>, OperationError> {
        match &self.needed {
            Some(why) => Ok(Some(issue(writer, &self.command, &self.bound(why), &host.now())?)),
            None => Ok(None),
        }
    }

    /// The facts, and why consent is needed: where another reason has come up, the consent was not to that.
    fn bound(&self, why: &str) -> Facts {
        self.facts.clone().with("why", why)
    }
}
