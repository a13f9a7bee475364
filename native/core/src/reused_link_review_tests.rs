//! Uses that go on at another shard while bytes wait in this process.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::context::SharedFacts;

use super::scene::{Scene, belows, name};

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
