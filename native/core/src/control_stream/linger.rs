//! The polite end of a control stream: what was written is flushed, FIN is sent, what still arrives is
//! discarded until the peer's FIN, so that the last bytes are not lost to a RST (wire-v1 W38).

use std::io;

use super::ControlStream;
use super::turn::{Next, READS_PER_TURN};

impl ControlStream {
    /// After `finish`: flushes, sends FIN, discards.
    pub(super) fn linger(&self) -> Next {
        let broken = self.flush().is_err();
        self.send_fin();
        let over = broken || self.discard();
        let state = &mut *self.state.borrow_mut();
        if over || state.linger_until.is_none_or(|at| at <= self.shard.now()) {
            drop(state.admitted.take());
            drop(state.link.take());
            return Next::Over;
        }
        Next::Wait(state.linger_until)
    }

    fn send_fin(&self) {
        let state = &mut *self.state.borrow_mut();
        if state.unwritten.is_empty() && !state.fin_sent {
            state.fin_sent = true;
            if let Some(link) = &state.link {
                // A connection that is gone already needs none.
                let _ = link.finish();
            }
        }
    }

    /// True: the peer has ended, and everything written is on its way.
    fn discard(&self) -> bool {
        let state = self.state.borrow();
        let Some(link) = &state.link else { return true };
        let mut buffer = self.shard.buffer.borrow_mut();
        for _ in 0..READS_PER_TURN {
            match link.try_read(&mut buffer) {
                Ok(0) => return state.unwritten.is_empty() && state.fin_sent && link.is_flushed(),
                Ok(_) => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        self.nudge();
        false
    }
}
