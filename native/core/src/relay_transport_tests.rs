//! Two relays with a transport between them, as a server and a client have it: visitor, server,
//! client, local service.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use proptest::prelude::*;

use super::tests::{
    Flow, content, end_of, facts, flow, keep_moving, pair, read_all, reset, write_all,
};
use super::{RelayOptions, relay};
use crate::coded_link::CodedLink;
use crate::context::{ServiceFacts, SharedFacts};
use crate::limits::Limits;
use crate::link::Link;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::task::Owner;
use crate::testing::TestShards;
use crate::transport::scene::{Carrier, carriers, connect, tcp_link};
use crate::transport::websocket::stock_server;

/// The visitor's and the local service's connection, and the facts of the server and the client.
struct Tunnel {
    visitor: TcpStream,
    local: TcpStream,
    server: SharedFacts,
    client: SharedFacts,
}

fn options(shard: &Shard, facts: &SharedFacts, is_server: bool) -> RelayOptions {
    let (near_broken, far_broken) = if is_server {
        (EndReason::VisitorReset, EndReason::ChannelReset)
    } else {
        (EndReason::ChannelReset, EndReason::LocalReset)
    };
    RelayOptions {
        facts: Arc::clone(facts),
        visitor: None,
        since: shard.now(),
        near_broken,
        far_broken,
        already_in: 0,
        unwritten: Vec::new(),
    }
}

fn tunnel(shards: &TestShards, carrier: Carrier) -> Tunnel {
    let ((visitor, near), (local, far)) = (pair(), pair());
    let (server, client) = (facts(), facts());
    let (of_server, of_client) = (Arc::clone(&server), Arc::clone(&client));
    shards.run(move |shard| async move {
        let (client_end, server_end) = connect(&shard, &carrier).await;
        let near = tcp_link(&shard, near).into();
        let far = tcp_link(&shard, far).into();
        let inner = relay(&shard, near, server_end, options(&shard, &of_server, true));
        let outer = relay(&shard, client_end, far, options(&shard, &of_client, false));
        shard.tasks.spawn(Owner::Visitor(1), "server", inner);
        shard.tasks.spawn(Owner::Visitor(2), "client", outer);
    });
    Tunnel {
        visitor,
        local,
        server,
        client,
    }
}

/// Waits until both relays have ended.
fn ended(shards: &TestShards, server: &SharedFacts, client: &SharedFacts) {
    let facts = [Arc::clone(server), Arc::clone(client)];
    shards.until("both relays have ended", move |shard| {
        let open = |it: &Arc<ServiceFacts>| it.counters.visitors_open.load(Relaxed);
        facts.iter().all(|it| open(it) == 0) && shard.reactor.count() == 0
    });
}

fn check(
    shards: &TestShards,
    carrier: &Carrier,
    inward: &Flow,
    outward: &Flow,
) -> Result<(), TestCaseError> {
    let (sent_in, sent_out) = (content(1, inward.length), content(2, outward.length));
    let Tunnel {
        visitor,
        local,
        server,
        client,
    } = tunnel(shards, carrier.clone());
    let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
    let write = |stream: TcpStream, bytes: &[u8], flow: &Flow| {
        let (bytes, chunks) = (bytes.to_vec(), flow.chunks.clone());
        thread::spawn(move || write_all(stream, &bytes, &chunks))
    };
    let writers = [
        write(clone(&visitor), &sent_in, inward),
        write(clone(&local), &sent_out, outward),
    ];
    let (size, rests) = (inward.read_size, inward.rest_every);
    let reader = thread::spawn(move || read_all(local, size, rests));
    let got_out = read_all(visitor, outward.read_size, outward.rest_every);
    let got_in = reader.join().expect("reads");
    for writer in writers {
        writer.join().expect("writes");
    }
    prop_assert!(got_in == sent_in, "in, over {}", carrier.name);
    prop_assert!(got_out == sent_out, "out, over {}", carrier.name);
    ended(shards, &server, &client);
    for facts in [&server, &client] {
        let ends = end_of(facts);
        let clean = matches!(
            ends.as_slice(),
            [(EndReason::VisitorFin | EndReason::LocalFin, 1)]
        );
        prop_assert!(clean, "{ends:?} over {}", carrier.name);
        let counted = facts.counters.bytes_in.load(Relaxed);
        prop_assert_eq!(counted, sent_in.len() as u64);
    }
    Ok(())
}

fn any_carrier() -> impl Strategy<Value = usize> {
    0..carriers().len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn every_byte_arrives_in_order_over_every_transport(
        inward in flow(), outward in flow(), carrier in any_carrier(),
    ) {
        let carrier = &carriers()[carrier];
        check(&TestShards::new(Limits::default()), carrier, &inward, &outward)?;
    }

    /// With sealed bytes that wait, and half of a record.
    #[test]
    fn a_relay_that_moves_takes_its_transport_along(
        inward in flow(), outward in flow(), carrier in any_carrier(),
    ) {
        let shards = TestShards::several(2, Limits::default());
        let carrier = &carriers()[carrier];
        keep_moving(&shards);
        check(&shards, carrier, &inward, &outward)?;
    }
}

#[test]
fn a_visitor_that_breaks_off_ends_both_relays() {
    for carrier in carriers() {
        let shards = TestShards::new(Limits::default());
        let Tunnel {
            mut visitor,
            mut local,
            server,
            client,
        } = tunnel(&shards, carrier.clone());
        visitor.write_all(b"hello").expect("writes");
        local.read_exact(&mut [0; 5]).expect("arrives");
        reset(visitor);
        let end = local.read(&mut [0]);
        assert!(end.is_err(), "RST is passed on over {}", carrier.name);
        ended(&shards, &server, &client);
        assert_eq!(end_of(&server), [(EndReason::VisitorReset, 1)]);
        assert_eq!(end_of(&client), [(EndReason::ChannelReset, 1)]);
    }
}

#[test]
fn a_half_close_is_passed_on_and_the_answer_comes_back() {
    for carrier in carriers() {
        let shards = TestShards::new(Limits::default());
        let Tunnel {
            mut visitor,
            mut local,
            server,
            client,
        } = tunnel(&shards, carrier.clone());
        visitor.write_all(b"question").expect("writes");
        visitor.shutdown(Shutdown::Write).expect("FIN");
        let mut asked = Vec::new();
        local.read_to_end(&mut asked).expect("FIN");
        assert_eq!(asked, b"question", "{}", carrier.name);
        let answer = content(9, 700_000);
        let sent = answer.clone();
        let writer = thread::spawn(move || write_all(local, &sent, &[100_000]));
        assert!(read_all(visitor, 10_000, 0) == answer, "{}", carrier.name);
        writer.join().expect("writes");
        ended(&shards, &server, &client);
        assert_eq!(end_of(&server), [(EndReason::VisitorFin, 1)]);
        assert_eq!(end_of(&client), [(EndReason::VisitorFin, 1)]);
    }
}

/// A stock client's end: its relay would hear of Close only when the local service is done.
#[test]
fn a_close_that_is_held_back_from_a_stock_peer_is_said_in_silence() {
    let limits = Limits {
        close_hold_ms: 30,
        ..Limits::default()
    };
    let shards = TestShards::new(limits);
    let ((visitor, near), (peer, accepted)) = (pair(), pair());
    let server = facts();
    let of_server = Arc::clone(&server);
    shards.run(move |shard| async move {
        let link = tcp_link(&shard, accepted);
        let link = CodedLink::new(link, stock_server(), &[], Vec::new());
        let near = tcp_link(&shard, near).into();
        let far = Link::Coded(Box::new(link));
        let inner = relay(&shard, near, far, options(&shard, &of_server, true));
        shard.tasks.spawn(Owner::Visitor(1), "server", inner);
    });
    let (mut visitor, mut peer) = (visitor, peer);
    peer.set_nonblocking(false).expect("a socket");
    visitor.write_all(b"asks").expect("writes");
    visitor.shutdown(Shutdown::Write).expect("FIN");
    let mut got = [0; 8];
    peer.read_exact(&mut got).expect("a frame, then Close");
    assert_eq!(got, *b"\x82\x04asks\x88\x00");
    // As it does: both directions at once.
    drop(peer);
    let mut rest = Vec::new();
    visitor.set_nonblocking(false).expect("a socket");
    visitor.read_to_end(&mut rest).expect("FIN");
    shards.until("the relay has ended", {
        let server = Arc::clone(&server);
        move |_| server.counters.visitors_open.load(Relaxed) == 0
    });
    assert_eq!(end_of(&server), [(EndReason::VisitorFin, 1)]);
}
