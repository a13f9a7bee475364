//! Uses that go on at another shard while bytes wait in this process, and channels that settle.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::ReusedLink;
use super::scene::{Scene, belows, name};
use crate::channel::{Channel, Home};
use crate::channel_use::Role;
use crate::context::{ServiceFacts, SharedFacts};
use crate::link::Link;
use crate::reason::EndReason;
use crate::spec::ServiceType;
use crate::testing::run;
use crate::transport::scene::{pair, tcp_link};

const SMALL: usize = 16_384;
/// Below a full read: it stays with copies.
const CHUNK: usize = 30_000;
const LENGTH: usize = 300 * CHUNK;
/// After so long without a move of bytes the local service takes no more.
const BLOCKED: Duration = Duration::from_millis(100);
/// A use that is older may be moved.
const OLD: Duration = Duration::from_millis(260);

fn byte(at: usize) -> u8 {
    (at.wrapping_mul(2_654_435_761) >> 13) as u8
}

/// Writes a chunk whenever the client has the one before: no read brings more than one. `each` hears how
/// long it waited.
fn write(mut visitor: TcpStream, client: &SharedFacts, each: impl Fn(Duration)) {
    for sent in (0..LENGTH).step_by(CHUNK) {
        let chunk: Vec<u8> = (sent..sent + CHUNK).map(byte).collect();
        let began = Instant::now();
        while client.counters.bytes_in.load(SeqCst) < sent as u64 {
            each(began.elapsed());
            thread::yield_now();
        }
        visitor.write_all(&chunk).expect("room");
        if sent == 0 {
            thread::sleep(OLD);
        }
    }
    visitor.shutdown(Shutdown::Write).expect("FIN");
}

#[test]
fn a_use_moves_with_what_its_local_service_has_not_taken() {
    for below in &belows() {
        let scene = Scene::over(2, below, 1, Some(SMALL));
        let (visitor, mut local) = scene.visitor();
        for (index, remote) in scene.shards.context.remotes().iter().enumerate() {
            remote.post(move |shard| {
                let mover = Rc::clone(shard);
                shard.spawn("mover", async move {
                    while mover.sleep(1).await.is_ok() {
                        mover.balance.give_next_to(1 - index);
                    }
                });
            });
        }
        let (blocked, is_blocked) = mpsc::channel();
        let client = Arc::clone(&scene.client);
        let writer = {
            let visitor = visitor.try_clone().expect("a descriptor");
            thread::spawn(move || {
                write(visitor, &client, |waited| {
                    if waited > BLOCKED {
                        let _ = blocked.send(());
                    }
                });
            })
        };
        is_blocked.recv().expect("it takes no more");
        let (mut got, mut buffer) = (0, [0; 3_000]);
        loop {
            match local.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    let mut read = buffer[..length].iter().zip(got..);
                    let wrong = read.find(|(got, at)| **got != byte(*at));
                    assert_eq!(wrong, None, "{} of {length} behind {got}", name(below));
                    got += length;
                }
                Err(error) => panic!("{}: {error} behind {got}", name(below)),
            }
        }
        assert_eq!(got, LENGTH, "{}", name(below));
        writer.join().expect("it has written all");
        drop((visitor, local));
        let client = Arc::clone(&scene.client);
        scene.until("the use is over", move |_| client.busy() == 0);
    }
}

/// A peer that goes on as it likes when it was told that the use has ended.
#[test]
fn a_channel_that_settles_is_told_and_reset_when_its_peer_says_what_is_no_word() {
    let facts = Arc::new(ServiceFacts::new(1, "test", ServiceType::Tcp, 0));
    let known = Arc::clone(&facts);
    run(|shard| async move {
        let (client, server) = pair();
        let client = tcp_link(&shard, client);
        let home = Home::new(&known, 1, shard.now());
        let channel = Channel::idle(tcp_link(&shard, server).into(), home);
        let link = ReusedLink::new(&shard, Role::Server, channel, 1, Vec::new());
        Link::Reused(Box::new(link)).abort(EndReason::VisitorReset);
        client
            .try_write(&0x8000_0000_u32.to_le_bytes())
            .expect("room");
        let mut got = Vec::new();
        let end = loop {
            let mut buffer = [0; 16];
            match client.try_read(&mut buffer) {
                Ok(0) => break None,
                Ok(length) => got.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    shard.park(None).await.expect("not cancelled");
                }
                Err(error) => break Some(error.kind()),
            }
        };
        assert_eq!(got, [0xff, 0xff, 0xff, 0xff, 1]);
        assert_eq!(end, Some(ErrorKind::ConnectionReset));
    });
    assert_eq!(facts.counters.ends.snapshot(), [(EndReason::BadRecord, 1)]);
    assert_eq!((facts.busy(), facts.channels_used.load(SeqCst)), (0, 0));
}
