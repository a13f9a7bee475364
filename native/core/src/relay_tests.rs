//! The relay between real sockets: content, half-close, RST, faults.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::{RelayOptions, relay};
use crate::context::{ServiceFacts, SharedFacts};
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::spec::ServiceType;
use crate::task::Owner;
use crate::tcp_link::TcpLink;
use crate::testing::TestShards;

/// Two connections whose inner ends are relayed; the outer ones are the test's.
struct Outer {
    visitor: TcpStream,
    local: TcpStream,
}

pub(super) fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    let outer = TcpStream::connect(address).expect("loopback connects");
    let (inner, _) = listener.accept().expect("loopback accepts");
    inner.set_nonblocking(true).expect("a socket");
    (outer, inner)
}

pub(super) fn facts() -> SharedFacts {
    let facts = ServiceFacts::new(1, "test", ServiceType::Tcp, 0);
    facts.counters.visitors_open.store(1, Relaxed);
    Arc::new(facts)
}

pub(super) fn end_of(facts: &ServiceFacts) -> Vec<(EndReason, u64)> {
    facts.counters.ends.snapshot()
}

/// Relays while `play` plays both outer ends on another thread; returns what it returns and the
/// service's facts after the relay has ended.
fn relayed<T: Send + 'static>(
    limits: Limits,
    unwritten: Vec<u8>,
    play: impl FnOnce(Outer) -> T + Send + 'static,
) -> (T, SharedFacts) {
    relayed_on(&TestShards::new(limits), unwritten, play)
}

/// Begins on shard 0.
fn relayed_on<T: Send + 'static>(
    shards: &TestShards,
    unwritten: Vec<u8>,
    play: impl FnOnce(Outer) -> T + Send + 'static,
) -> (T, SharedFacts) {
    relayed_between(shards, (pair(), pair()), unwritten, play)
}

/// The outer and the inner end of the visitor's connection, and of the local service's.
type Pairs = ((TcpStream, TcpStream), (TcpStream, TcpStream));

fn relayed_between<T: Send + 'static>(
    shards: &TestShards,
    ((visitor, near), (local, far)): Pairs,
    unwritten: Vec<u8>,
    play: impl FnOnce(Outer) -> T + Send + 'static,
) -> (T, SharedFacts) {
    let player = thread::spawn(move || play(Outer { visitor, local }));
    let facts = facts();
    let shared = Arc::clone(&facts);
    shards.call(move |shard| {
        let link = |stream| TcpLink::adopt(shard, mio::net::TcpStream::from_std(stream));
        let options = RelayOptions {
            facts: shared,
            visitor: None,
            // Long enough ago to be moved.
            since: shard.now() - 2 * super::MOVES_FROM,
            near_broken: EndReason::VisitorReset,
            far_broken: EndReason::LocalReset,
            already_in: 0,
            unwritten,
        };
        let relay = relay(
            shard,
            link(near).expect("registers").into(),
            link(far).expect("registers").into(),
            options,
        );
        shard.tasks.spawn(Owner::Visitor(1), "relay", relay);
    });
    let played = player.join().expect("the player ends");
    let open = Arc::clone(&facts);
    shards.until("the relay has ended", move |shard| {
        open.counters.visitors_open.load(Relaxed) == 0 && shard.reactor.count() == 0
    });
    (played, facts)
}

/// Bytes that repeat only after a long while, so that a shift or a swap shows.
pub(super) fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Writes in chunks of these sizes, over and over, then FIN.
pub(super) fn write_all(mut stream: TcpStream, bytes: &[u8], chunks: &[usize]) {
    let mut rest = bytes;
    let mut sizes = chunks.iter().cycle();
    while !rest.is_empty() {
        let size = sizes
            .next()
            .map_or(rest.len(), |size| (*size).max(1))
            .min(rest.len());
        stream.write_all(&rest[..size]).expect("the relay takes it");
        rest = &rest[size..];
    }
    stream.shutdown(Shutdown::Write).expect("FIN");
}

/// Reads to the end, in reads of that size, resting now and then so that queues fill up.
pub(super) fn read_all(mut stream: TcpStream, size: usize, rest_every: usize) -> Vec<u8> {
    let mut got = Vec::new();
    let mut buffer = vec![0; size.max(1)];
    let mut reads = 0;
    loop {
        let length = stream.read(&mut buffer).expect("no RST");
        if length == 0 {
            return got;
        }
        got.extend_from_slice(&buffer[..length]);
        reads += 1;
        if rest_every > 0 && reads % rest_every == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) length: usize,
    pub(super) chunks: Vec<usize>,
    pub(super) read_size: usize,
    pub(super) rest_every: usize,
}

pub(super) fn flow() -> impl Strategy<Value = Flow> {
    let length = prop_oneof![
        0..2_000_usize,
        60_000..70_000_usize,
        100_000..4_000_000_usize
    ];
    let chunk = prop_oneof![1..2_000_usize, 10_000..300_000_usize];
    let read_size = prop_oneof![1_000..5_000_usize, 50_000..1_000_000_usize];
    (
        length,
        proptest::collection::vec(chunk, 1..5),
        read_size,
        0..20_usize,
    )
        .prop_map(|(length, chunks, read_size, rest_every)| Flow {
            length,
            chunks,
            read_size,
            rest_every,
        })
}

/// Plays both flows through a relay on these shards and checks all that arrived.
fn check(
    shards: &TestShards,
    inward: Flow,
    outward: Flow,
    head: usize,
) -> Result<(), TestCaseError> {
    let (sent_in, sent_out) = (content(1, inward.length), content(2, outward.length));
    let head_bytes = content(3, head);
    let expected_in = [head_bytes.as_slice(), sent_in.as_slice()].concat();
    let expected_out = sent_out.clone();
    let lengths = (sent_in.len() as u64, sent_out.len() as u64);
    let ((got_in, got_out), facts) = relayed_on(shards, head_bytes, move |outer| {
        let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
        let (visitor, local) = (clone(&outer.visitor), clone(&outer.local));
        let (reads_in, reads_out) = (clone(&outer.local), clone(&outer.visitor));
        let (flow_in, flow_out) = (inward.clone(), outward.clone());
        let writers = [
            thread::spawn(move || write_all(visitor, &sent_in, &flow_in.chunks)),
            thread::spawn(move || write_all(local, &sent_out, &flow_out.chunks)),
        ];
        let reader = thread::spawn(move || read_all(reads_in, inward.read_size, inward.rest_every));
        let got_out = read_all(reads_out, outward.read_size, outward.rest_every);
        let got_in = reader.join().expect("reads");
        for writer in writers {
            writer.join().expect("writes");
        }
        (got_in, got_out)
    });
    let counts = (
        got_in.len(),
        expected_in.len(),
        got_out.len(),
        expected_out.len(),
    );
    prop_assert!(got_in == expected_in, "in: {counts:?}");
    prop_assert!(got_out == expected_out, "out: {counts:?}");
    let counters = &facts.counters;
    let counted = (
        counters.bytes_in.load(Relaxed),
        counters.bytes_out.load(Relaxed),
    );
    prop_assert_eq!(counted, lengths);
    let ends = end_of(&facts);
    let clean = matches!(
        ends.as_slice(),
        [(EndReason::VisitorFin | EndReason::LocalFin, 1)]
    );
    prop_assert!(clean, "{ends:?}");
    Ok(())
}

/// Relays go from the one to the other of two shards, again and again.
pub(super) fn keep_moving(shards: &TestShards) {
    for (index, remote) in shards.context.remotes().iter().enumerate() {
        remote.post(move |shard| {
            let mover = Rc::clone(shard);
            shard.spawn("mover", async move {
                while mover.sleep(1).await.is_ok() {
                    mover.balance.give_next_to(1 - index);
                }
            });
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Across the switch from copy to splice and back, with half-closes at different times.
    #[test]
    fn every_byte_arrives_in_order_both_ways(
        inward in flow(), outward in flow(), head in 0..300_usize,
    ) {
        check(&TestShards::new(Limits::default()), inward, outward, head)?;
    }

    /// With whatever is under way, pipes included.
    #[test]
    fn a_relay_that_moves_between_shards_loses_nothing(
        inward in flow(), outward in flow(), head in 0..300_usize,
    ) {
        let shards = TestShards::several(2, Limits::default());
        keep_moving(&shards);
        check(&shards, inward, outward, head)?;
    }
}

#[test]
fn a_relay_that_moved_is_aborted_with_its_service() {
    let shards = TestShards::several(2, Limits::default());
    shards.call(|shard| shard.balance.give_next_to(1));
    let context = Arc::clone(&shards.context);
    let ((), facts) = relayed_on(&shards, Vec::new(), move |mut outer| {
        outer.visitor.write_all(b"x").expect("writes");
        outer.local.read_exact(&mut [0]).expect("arrives");
        let abort = ServiceFacts::new(1, "test", ServiceType::Tcp, 0);
        abort.abort_visitors(&context, EndReason::Destroyed);
        assert!(ends_by_reset(outer.visitor) && ends_by_reset(outer.local));
    });
    assert_eq!(end_of(&facts), [(EndReason::Destroyed, 1)]);
    shards.until("nothing is left on the other shard", |_| true);
}

pub(super) fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .expect("linger");
    drop(stream);
}

/// True when the connection ends by RST.
fn ends_by_reset(mut stream: TcpStream) -> bool {
    let mut buffer = [0; 4_096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn a_reset_of_the_visitor_is_passed_on_as_a_reset() {
    let (was_reset, facts) = relayed(Limits::default(), Vec::new(), |mut outer| {
        outer.visitor.write_all(b"hello").expect("writes");
        let mut five = [0; 5];
        outer.local.read_exact(&mut five).expect("arrives");
        reset(outer.visitor);
        ends_by_reset(outer.local)
    });
    assert!(was_reset);
    assert_eq!(end_of(&facts), [(EndReason::VisitorReset, 1)]);
}

#[test]
fn a_reset_while_the_other_side_takes_nothing_is_noticed() {
    let (was_reset, facts) = relayed(Limits::default(), Vec::new(), |mut outer| {
        outer.local.set_nonblocking(true).expect("a socket");
        let chunk = vec![7; 65_536];
        loop {
            match outer.local.write(&chunk) {
                Ok(_) => thread::yield_now(),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    // Full all the way: once more after the relay has had its turn.
                    thread::sleep(Duration::from_millis(20));
                    if outer.local.write(&chunk).is_err() {
                        break;
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
        outer.local.set_nonblocking(false).expect("a socket");
        reset(outer.local);
        ends_by_reset(outer.visitor)
    });
    assert!(was_reset);
    assert_eq!(end_of(&facts), [(EndReason::LocalReset, 1)]);
}

#[test]
fn a_half_closed_connection_that_is_silent_ends_in_time() {
    let limits = Limits {
        half_close_idle_ms: 30,
        ..Limits::default()
    };
    let (was_reset, facts) = relayed(limits, Vec::new(), |outer| {
        outer.visitor.shutdown(Shutdown::Write).expect("FIN");
        ends_by_reset(outer.visitor)
    });
    assert!(was_reset);
    assert_eq!(end_of(&facts), [(EndReason::HalfCloseTimeout, 1)]);
}

#[test]
fn a_long_quiet_connection_may_half_close() {
    let limits = Limits {
        half_close_idle_ms: 40,
        ..Limits::default()
    };
    let (answer, facts) = relayed(limits, Vec::new(), |mut outer| {
        thread::sleep(Duration::from_millis(60));
        outer.visitor.shutdown(Shutdown::Write).expect("FIN");
        assert_eq!(outer.local.read(&mut [0]).expect("FIN arrives"), 0);
        outer.local.write_all(b"answer").expect("writes");
        drop(outer.local);
        let mut answer = String::new();
        outer.visitor.read_to_string(&mut answer).map(|_| answer)
    });
    assert_eq!(answer.ok().as_deref(), Some("answer"));
    assert_eq!(end_of(&facts), [(EndReason::VisitorFin, 1)]);
}

#[test]
fn who_ended_first_is_the_reason() {
    for (first, reason) in [
        ("visitor", EndReason::VisitorFin),
        ("local", EndReason::LocalFin),
    ] {
        let ((), facts) = relayed(Limits::default(), Vec::new(), move |outer| {
            let (first, second) = if first == "visitor" {
                (outer.visitor, outer.local)
            } else {
                (outer.local, outer.visitor)
            };
            first.shutdown(Shutdown::Write).expect("FIN");
            assert_eq!((&second).read(&mut [0]).expect("FIN arrives"), 0);
            second.shutdown(Shutdown::Write).expect("FIN");
            assert_eq!((&first).read(&mut [0]).expect("FIN arrives"), 0);
        });
        assert_eq!(end_of(&facts), [(reason, 1)]);
    }
}

/// A read stops in front of urgent data, and is then short though more is there.
#[test]
#[cfg(target_os = "linux")]
fn urgent_data_does_not_hold_up_what_follows_it() {
    let (mut visitor, near) = pair();
    visitor.write_all(b"abc").expect("room");
    let urgent = socket2::SockRef::from(&visitor).send_out_of_band(b"!");
    assert_eq!(urgent.expect("room"), 1);
    visitor.write_all(b"defg").expect("room");
    let shards = TestShards::new(Limits::default());
    let (got, facts) = relayed_between(
        &shards,
        ((visitor, near), pair()),
        Vec::new(),
        |Outer { visitor, mut local }| {
            let patience = Some(Duration::from_secs(5));
            local.set_read_timeout(patience).expect("a socket");
            let mut got = [0; 7];
            let read = local.read_exact(&mut got);
            visitor.shutdown(Shutdown::Write).expect("FIN");
            local.shutdown(Shutdown::Write).expect("FIN");
            read.map(|()| got)
        },
    );
    assert_eq!(got.expect("all of it, without FIN"), *b"abcdefg");
    assert_eq!(end_of(&facts), [(EndReason::VisitorFin, 1)]);
}

/// Else a local service that waits would keep the connection until it is silent for too long.
#[test]
fn a_reset_after_fin_is_passed_on_to_a_silent_side() {
    let (error, facts) = relayed(
        Limits::default(),
        Vec::new(),
        |Outer { visitor, mut local }| {
            visitor.shutdown(Shutdown::Write).expect("FIN");
            assert_eq!(local.read(&mut [0]).expect("FIN"), 0);
            let visitor = socket2::Socket::from(visitor);
            visitor.set_linger(Some(Duration::ZERO)).expect("a socket");
            drop(visitor);
            let deadline = std::time::Instant::now() + Duration::from_secs(5);
            loop {
                let error = local.take_error().expect("a socket");
                if error.is_some() || std::time::Instant::now() > deadline {
                    return error;
                }
                thread::sleep(Duration::from_millis(1));
            }
        },
    );
    let kind = error.map(|error| error.kind());
    // EPIPE is how Linux tells of RST after FIN.
    let resets = [
        std::io::ErrorKind::ConnectionReset,
        std::io::ErrorKind::BrokenPipe,
    ];
    assert!(
        kind.is_some_and(|kind| resets.contains(&kind)),
        "the local service was told nothing: {kind:?}"
    );
    assert_eq!(end_of(&facts), [(EndReason::VisitorReset, 1)]);
}

/// A write may be what learns of the RST; the read behind it then finds only the end of the stream.
#[test]
fn a_reset_that_a_write_has_met_is_not_passed_on_as_fin() {
    let ((mut visitor, near), (local, far)) = (pair(), pair());
    visitor.write_all(b"request").expect("room");
    let local = socket2::Socket::from(local);
    local.set_linger(Some(Duration::ZERO)).expect("a socket");
    drop(local);
    // RST has come when the system knows no peer any more; asking takes no error away.
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while far.peer_addr().is_ok() {
        assert!(std::time::Instant::now() < deadline, "RST comes");
        thread::sleep(Duration::from_millis(1));
    }
    let nobody = pair().0;
    let shards = TestShards::new(Limits::default());
    let (read, facts) = relayed_between(
        &shards,
        ((visitor, near), (nobody, far)),
        Vec::new(),
        |Outer { mut visitor, .. }| visitor.read(&mut [0]),
    );
    let kind = read.map_err(|error| error.kind());
    assert_eq!(kind, Err(std::io::ErrorKind::ConnectionReset));
    assert_eq!(end_of(&facts), [(EndReason::LocalReset, 1)]);
}
