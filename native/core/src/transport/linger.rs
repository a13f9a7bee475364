//! The end of a connection whose handshake was refused: what the peer still sends is read and dropped
//! until its FIN, so that no RST overtakes the refusal (wire-v1 W38).

use std::io;
use std::rc::Rc;
use std::time::Instant;

use mio::net::TcpStream;

use crate::shard::Shard;
use crate::tcp_link::TcpLink;

/// Our FIN has been sent. `until`: then it is closed in any case.
pub(crate) async fn linger(shard: &Rc<Shard>, stream: TcpStream, until: Option<Instant>) {
    let Ok(link) = TcpLink::adopt(shard, stream) else {
        return;
    };
    while until.is_none_or(|at| at > shard.now()) {
        let read = link.try_read(&mut shard.buffer.borrow_mut());
        let waited = match read {
            Ok(0) => return,
            // Others have their turn.
            Ok(_) => shard.tasks.yield_now().await,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => shard.park(until).await,
            Err(_) => return,
        };
        if waited.is_err() {
            return;
        }
    }
}

#[cfg(test)]
#[path = "linger_tests.rs"]
mod tests;
