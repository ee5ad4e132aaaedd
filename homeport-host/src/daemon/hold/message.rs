//! Owns what a daemon and a holder say to each other: one JSON object a message, with at most one descriptor beside it. The two
//! may be of different versions, since a holder outlives its daemon: whatever is added later must be something that an older
//! holder may not understand. Never interprets a route or an address: to the holder both are text.

use serde::{Deserialize, Serialize};

/// The version of what is said. Both sides tell theirs; the older one counts.
///
/// From 2 on a holder knows that a socket may be one for datagrams, which has no clients to turn away.
pub(super) const PROTOCOL: u32 = 2;
/// The first version that knows of datagrams.
pub(super) const DATAGRAMS: u32 = 2;
/// The most bytes of one message.
pub(super) const MESSAGE_LIMIT: usize = 16 * 1024;

/// What a daemon says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(super) enum Ask {
    /// I am the daemon from now on.
    Hello {
        /// The version that I speak.
        protocol: u32,
        /// The program and its arguments that start a daemon again where this one is gone; empty where others see to that.
        start: Vec<String>,
    },
    /// The first socket after this route, in the order of their names.
    Next {
        /// The route, `None` for the first of all.
        after: Option<String>,
    },
    /// Keep the descriptor that is beside this, instead of any other of this route.
    Keep {
        /// The route.
        route: String,
        /// Its address.
        address: String,
    },
    /// Close what there is of this route.
    LetGo {
        /// The route.
        route: String,
    },
    /// I go, and another daemon comes.
    Leave,
    /// Close everything, and end.
    End,
}

/// What the holder answers to each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(super) enum Answer {
    /// Welcome.
    Hello {
        /// The version that the holder speaks.
        protocol: u32,
        /// Its process id.
        pid: u32,
    },
    /// It is done.
    Done,
    /// This one, whose descriptor is beside this.
    Held {
        /// The route.
        route: String,
        /// Its address.
        address: String,
    },
    /// There is no other.
    NoMore,
    /// That was not understood, or was not whole; nothing was done.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_stays_as_it_is_for_holders_that_are_older() {
        let route = || "alice/ssh".to_owned();
        let rows = [
            (
                Ask::Hello { protocol: 1, start: vec!["/bin/homeport".to_owned()] },
                r#"{"ask":"hello","protocol":1,"start":["/bin/homeport"]}"#,
            ),
            (Ask::Next { after: None }, r#"{"ask":"next","after":null}"#),
            (
                Ask::Keep { route: route(), address: "*:22".to_owned() },
                r#"{"ask":"keep","route":"alice/ssh","address":"*:22"}"#,
            ),
            (Ask::LetGo { route: route() }, r#"{"ask":"let_go","route":"alice/ssh"}"#),
            (Ask::Leave, r#"{"ask":"leave"}"#),
            (Ask::End, r#"{"ask":"end"}"#),
        ];
        for (ask, text) in rows {
            assert_eq!(serde_json::to_string(&ask).unwrap(), text);
            // What a newer daemon adds is passed over.
            let more = text.replacen('{', r#"{"later":[1],"#, 1);
            assert_eq!(serde_json::from_str::<Ask>(&more).unwrap(), ask);
        }
        assert!(serde_json::from_str::<Ask>(r#"{"ask":"dance"}"#).is_err());
        assert_eq!(
            serde_json::from_str::<Answer>(r#"{"answer":"hello","protocol":7,"pid":3,"x":1}"#).unwrap(),
            Answer::Hello { protocol: 7, pid: 3 }
        );
    }
}
