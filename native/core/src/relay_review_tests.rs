//! Relays that go on at another shard while bytes wait in this process.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use super::tests::{content, facts, keep_moving, pair};
use super::{MOVES_FROM, RelayOptions, relay};
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::task::Owner;
use crate::tcp_link::TcpLink;
use crate::testing::TestShards;

/// So little that most writes are short.
const SMALL: usize = 16_384;
/// Below a full read: it stays with copies.
const CHUNK: usize = 40_000;
const CHUNKS: usize = 60;

fn set_buffers(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    socket.set_send_buffer_size(SMALL).expect("a socket");
    socket.set_recv_buffer_size(SMALL).expect("a socket");
}

/// Reads the whole, in pieces of this size.
fn read_all(mut stream: TcpStream, piece: usize) -> Vec<u8> {
    let (mut got, mut buffer) = (Vec::new(), vec![0; piece]);
    loop {
        match stream.read(&mut buffer).expect("no RST") {
            0 => return got,
            length => got.extend_from_slice(&buffer[..length]),
        }
        thread::yield_now();
    }
}

#[test]
fn what_was_written_before_a_move_is_not_written_again() {
    let shards = TestShards::several(2, Limits::default());
    keep_moving(&shards);
    let ((mut visitor, near), (local, far)) = (pair(), pair());
    set_buffers(&local);
    set_buffers(&far);
    let sent = content(11, CHUNK * CHUNKS);
    let expected = sent.clone();
    let writer = thread::spawn(move || {
        for chunk in sent.chunks(CHUNK) {
            visitor.write_all(chunk).expect("the relay takes it");
        }
        visitor.shutdown(Shutdown::Write).expect("FIN");
        visitor
    });
    let facts = facts();
    let shared = Arc::clone(&facts);
    shards.call(move |shard| {
        let link = |stream| TcpLink::adopt(shard, mio::net::TcpStream::from_std(stream));
        let options = RelayOptions {
            facts: shared,
            visitor: None,
            // Long enough ago to be moved.
            since: shard.now() - 2 * MOVES_FROM,
            near_broken: EndReason::VisitorReset,
            far_broken: EndReason::LocalReset,
            already_in: 0,
            unwritten: Vec::new(),
        };
        let near = link(near).expect("registers");
        let far = link(far).expect("registers");
        let relay = relay(shard, near.into(), far.into(), options);
        shard.tasks.spawn(Owner::Visitor(1), "relay", relay);
    });
    let end = local.try_clone().expect("a descriptor");
    let got = read_all(local, 3_000);
    assert!(got == expected, "{} bytes of {}", got.len(), expected.len());
    drop(end);
    drop(writer.join().expect("the writer ends"));
    let open = Arc::clone(&facts);
    shards.until("the relay has ended", move |_| {
        open.counters.visitors_open.load(Relaxed) == 0
    });
}
