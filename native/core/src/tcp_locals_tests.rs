//! Visitors on their way to the local service: served, refused, and what they cost.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::mem::size_of_val;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{TcpLocals, Visitor, serve};
use crate::channel_words::{END_WORD, abort_words, data_word, put_start};
use crate::client_scene::{
    Client, Refusing, SERVICE, START, Silent, accept, address, end_of, host_port, listener, read,
    reset, routine,
};
use crate::context::ServiceFacts;
use crate::events::Event;
use crate::limits::Limits;
use crate::link::Link;
use crate::origin::{Addresses, Origin};
use crate::reason::EndReason;
use crate::relay::relay;
use crate::shard::Shard;
use crate::spec::{
    ClientRoutine, ClientServiceChange, ClientServiceSpec, HostPort, ReuseRules, ServiceType,
};
use crate::tcp_link::TcpLink;
use crate::testing::{TestShards, run, run_with};
use crate::transport::scene::{pair, tcp_link};
use crate::upcall::Upcall;

fn spec(port: u16) -> ClientServiceSpec {
    let host = "127.0.0.1".to_owned();
    ClientServiceSpec {
        name: "test".to_owned(),
        protocol: ServiceType::Tcp,
        local: HostPort { host, port },
        nodelay: None,
        prefer_ipv6: false,
    }
}

fn locals(shard: &Rc<Shard>) -> Rc<TcpLocals> {
    let facts = Arc::new(ServiceFacts::new(1, "test", ServiceType::Tcp, 0));
    TcpLocals::new(shard, facts, Rc::new(RefCell::new(spec(1))))
}

fn link(shard: &Rc<Shard>) -> Link {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let stream = TcpStream::connect(listener.local_addr().expect("an address"));
    let stream = mio::net::TcpStream::from_std(stream.expect("loopback connects"));
    TcpLink::adopt(shard, stream).expect("a link").into()
}

#[test]
fn a_visitor_costs_little_beside_its_relay() {
    let (serving, relaying) = run(|shard| async move {
        let visitor = Visitor::enter(&locals(&shard), None);
        let serving = size_of_val(&serve(visitor, link(&shard), Vec::new()));
        let options = Visitor::enter(&locals(&shard), None).into_relay(Vec::new());
        (
            serving,
            size_of_val(&relay(&shard, link(&shard), link(&shard), options)),
        )
    });
    assert!(serving <= relaying + 160, "{serving} {relaying}");
}

#[test]
fn a_fault_ends_a_visitor_and_leaves_the_counts_exact() {
    let (counts, upcalls) = run_with(Limits::default(), |shard| async move {
        let locals = locals(&shard);
        let visitor = Visitor::enter(&locals, None);
        let counters = &locals.facts.counters;
        assert_eq!(locals.size(), 1);
        shard.spawn("visitor that panics", async move {
            let _visitor = visitor;
            panic!("a fault of the test");
        });
        shard.sleep(1).await.expect("not cancelled");
        let open = counters.visitors_open.load(Relaxed);
        (
            open,
            counters.visitors_total.load(Relaxed),
            counters.ends.snapshot(),
        )
    });
    assert_eq!(counts, (0, 1, vec![(EndReason::InternalError, 1)]));
    let told = upcalls.iter().any(|upcall| match upcall {
        Upcall::Events(events) => events.iter().any(|event| {
            matches!(
                event,
                Event::VisitorEnd {
                    reason: EndReason::InternalError,
                    ..
                }
            )
        }),
        _ => false,
    });
    assert!(told, "{upcalls:?}");
}

/// Two at a time, one of them on the other shard; then the service is aborted with one on each.
#[test]
fn visitors_of_a_busy_shard_are_served_by_another() {
    let shards = TestShards::several(2, Limits::default());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let facts = Arc::new(ServiceFacts::new(1, "test", ServiceType::Tcp, 0));
    let mut channels = Vec::new();
    for _ in 0..4 {
        let (outer, inner) = pair();
        let facts = Arc::clone(&facts);
        shards.call(move |shard| {
            let locals = TcpLocals::new(shard, facts, Rc::new(RefCell::new(spec(address.port()))));
            shard.balance.give_half_of_visits_to(1);
            locals.carry(tcp_link(shard, inner).into(), b"first".to_vec(), None);
        });
        let (mut local, _) = listener.accept().expect("the visitor's connection");
        assert_eq!(read(&mut local, 5), b"first");
        local.write_all(b"answer").expect("the client reads");
        outer.set_nonblocking(false).expect("a socket");
        channels.push((outer, local));
    }
    for (channel, _) in &mut channels {
        assert_eq!(read(channel, 6), b"answer");
    }
    let there = shards.run(|shard| async move {
        let (send, receive) = std::sync::mpsc::channel();
        shard.remote(1).post(move |there| {
            send.send(there.reactor.count()).expect("the test waits");
        });
        receive.recv().expect("it is told")
    });
    assert_eq!(there, 4, "two visitors, two connections each");
    let context = Arc::clone(&shards.context);
    facts.abort_visitors(&context, EndReason::Destroyed);
    for (mut channel, _local) in channels {
        let end = channel.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(end, Err(ErrorKind::ConnectionReset));
    }
    let open = Arc::clone(&facts);
    shards.until("all have ended", move |_| {
        open.counters.visitors_open.load(Relaxed) == 0
    });
    assert_eq!(facts.counters.ends.snapshot(), [(EndReason::Destroyed, 4)]);
}

#[test]
fn carries_a_visitor_to_the_local_service_and_back() {
    let mut client = Client::connected(Limits::default());
    let mut channel = client.channel();
    client.until("a channel that waits", |stats| stats.pool_ready == 1);
    channel
        .write_all(&[START, b"ping"].concat())
        .expect("the client reads");
    let mut local = accept(&client.local);
    assert_eq!(read(&mut local, 4), b"ping");
    local.write_all(b"answer").expect("the client reads");
    assert_eq!(read(&mut channel, 6), b"answer");
    let stats = client.stats();
    assert_eq!(
        (stats.visitors_open, stats.visitors_total, stats.pool_ready),
        (1, 1, 0)
    );
    drop(channel);
    assert_eq!(end_of(&mut local), None);
    drop(local);
    assert_eq!(client.visitor_end(), (4, 6, EndReason::VisitorFin));
    client.until("no visitor", |stats| stats.visitors_open == 0);
    let stats = client.stats();
    assert_eq!((stats.bytes_in, stats.bytes_out), (4, 6));
}

#[test]
fn a_local_service_that_refuses_resets_the_channel() {
    let mut client = Client::connected(Limits::default());
    let refusing = Refusing::open();
    let HostPort { host, port } = host_port(refusing.address);
    let change = ClientServiceChange {
        local: Some(host_port(refusing.address)),
        ..Default::default()
    };
    client.engine.update_client(SERVICE, change);
    let mut channel = client.channel();
    channel.write_all(START).expect("the client reads");
    assert_eq!(end_of(&mut channel), Some(ErrorKind::ConnectionReset));
    let error = client.event("a refusal", |event| match event {
        Event::VisitorRefused {
            reason: EndReason::LocalRefused,
            error,
            ..
        } => error.clone(),
        _ => None,
    });
    let tried = format!("connect ECONNREFUSED {host}:{port}");
    assert_eq!(error, format!("cannot connect to {host}:{port}: {tried}"));
    client.until("no visitor", |stats| stats.visitors_open == 0);
    let stats = client.stats();
    assert_eq!(stats.visitors_total, 1);
    assert_eq!(stats.ends, [(EndReason::LocalRefused, 1)]);
}

#[test]
fn update_changes_where_visitors_are_carried() {
    let mut client = Client::connected(Limits::default());
    let next = listener();
    let change = ClientServiceChange {
        local: Some(address(&next)),
        ..Default::default()
    };
    client.engine.update_client(SERVICE, change);
    let mut channel = client.channel();
    channel
        .write_all(&[START, b"moved"].concat())
        .expect("the client reads");
    assert_eq!(read(&mut accept(&next), 5), b"moved");
}

#[test]
fn a_channel_that_is_reset_ends_the_dial_of_the_local_service() {
    let mut client = Client::connected(Limits::default());
    let silent = Silent::open();
    let change = ClientServiceChange {
        local: Some(host_port(silent.address)),
        ..Default::default()
    };
    client.engine.update_client(SERVICE, change);
    let mut channel = client.channel();
    channel.write_all(START).expect("the client reads");
    client.until("a visitor", |stats| stats.visitors_open == 1);
    reset(channel);
    assert_eq!(client.visitor_end(), (0, 0, EndReason::ChannelReset));
}

/// The access log shows the visitor, served or refused, and not the server.
#[test]
fn a_visitor_is_known_by_the_address_that_start_tells() {
    let mut client = Client::open(Limits::default());
    let reuse = ReuseRules {
        start: b"WRN1".to_vec(),
        addresses: true,
        frames: None,
    };
    client.attach(
        1,
        ClientRoutine {
            reuse: Some(reuse),
            ..routine()
        },
    );
    let told = |client: &mut Client| {
        client.event("a visitor's end", |event| match event {
            Event::VisitorEnd {
                visitor, reason, ..
            } => Some((*visitor, *reason)),
            _ => None,
        })
    };
    let visitor = |port| SocketAddr::from(([198, 51, 100, 7], port));
    let start = |number, addresses| {
        let mut bytes = Vec::new();
        put_start(&mut bytes, &Origin { number, addresses });
        bytes
    };
    let addresses = |port| {
        let public = SocketAddr::from(([192, 0, 2, 1], 80));
        Some(Addresses::new(visitor(port), public))
    };
    let mut channel = client.channel();
    let cases = [(1, addresses(1_001)), (2, None), (3, addresses(1_003))];
    for (number, addresses) in cases {
        let command = if number == 1 { &b"WRN1"[..] } else { b"" };
        let words = [command, &start(number, addresses), &END_WORD].concat();
        channel.write_all(&words).expect("the client reads");
        let mut local = accept(&client.local);
        assert_eq!(end_of(&mut local), None);
        drop(local);
        assert_eq!(read(&mut channel, 4), END_WORD);
        let expected = addresses.map(|it| it.visitor);
        assert_eq!(told(&mut client), (expected, EndReason::VisitorFin));
    }
    // Also of one that is refused, and its channel serves on.
    let refusing = Refusing::open();
    let change = ClientServiceChange {
        local: Some(host_port(refusing.address)),
        ..ClientServiceChange::default()
    };
    client.engine.update_client(SERVICE, change);
    for number in 4..7_u16 {
        let words = start(u64::from(number), addresses(1_000 + number));
        channel.write_all(&words).expect("the client reads");
        assert_eq!(read(&mut channel, 5), abort_words(2));
        channel
            .write_all(&abort_words(0))
            .expect("the client reads");
        let refused = (Some(visitor(1_000 + number)), EndReason::LocalRefused);
        assert_eq!(told(&mut client), refused);
    }
}

/// Before there is a local service: what the server says then ends the dial.
#[test]
fn an_abort_while_the_local_service_is_dialled_ends_the_visitor_and_saves_the_channel() {
    let mut client = Client::open(Limits::default());
    let reuse = ReuseRules {
        start: b"WRN1".to_vec(),
        addresses: false,
        frames: None,
    };
    client.attach(
        1,
        ClientRoutine {
            reuse: Some(reuse),
            ..routine()
        },
    );
    let silent = Silent::open();
    let change = ClientServiceChange {
        local: Some(host_port(silent.address)),
        ..ClientServiceChange::default()
    };
    client.engine.update_client(SERVICE, change);
    let mut channel = client.channel();
    for number in 1..4 {
        let mut words = if number == 1 {
            b"WRN1".to_vec()
        } else {
            vec![]
        };
        let addresses = None;
        put_start(&mut words, &Origin { number, addresses });
        words.extend([data_word(5).as_slice(), b"early"].concat());
        channel.write_all(&words).expect("the client reads");
        client.until("a visitor", |stats| stats.visitors_open == 1);
        channel
            .write_all(&abort_words(1))
            .expect("the client reads");
        assert_eq!(read(&mut channel, 5), abort_words(1));
        assert_eq!(client.visitor_end(), (0, 0, EndReason::VisitorReset));
        client.until("an idle channel", |stats| stats.pool_ready == 1);
    }
}
