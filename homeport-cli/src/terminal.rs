//! Owns the terminal while a program in a container has it: raw mode, its size, and giving it back however this ends.
//! Never reads or writes what is typed and shown.

use std::io;
use std::sync::mpsc::{Receiver, channel};

use homeport_host::engine::TerminalSize;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// The terminal of standard input in raw mode, until this is dropped.
#[derive(Debug)]
pub(crate) struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Puts the terminal into raw mode: every key goes to the program, Ctrl-C too.
    pub(crate) fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }

    /// Tells each new size, and gives the terminal back before a signal ends the process.
    pub(crate) fn watch(&self) -> io::Result<Receiver<TerminalSize>> {
        let mut signals = Signals::new([SIGWINCH, SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
        let (sender, sizes) = channel();
        let before = self.before.clone();
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if signal == SIGWINCH {
                    // Where nobody hears any more, the program has ended.
                    sender.send(size()).ok();
                } else {
                    give_back(&before);
                    emulate_default_handler(signal).ok();
                }
            }
        });
        Ok(sizes)
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        give_back(&self.before);
    }
}

fn give_back(before: &Termios) {
    // A terminal that is gone needs nothing.
    tcsetattr(io::stdin(), OptionalActions::Now, before).ok();
}

/// How large it is now; the size of old terminals where it does not say.
pub(crate) fn size() -> TerminalSize {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => TerminalSize { columns: size.ws_col, rows: size.ws_row },
        _ => TerminalSize { columns: 80, rows: 24 },
    }
}
