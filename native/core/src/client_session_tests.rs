//! Commands of the server, however they are cut.

use std::io::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::ClientSession;
use crate::client_scene::{CREATE, Client, HEARTBEAT, SERVICE, accept, routine};
use crate::client_service::{ClientService, ClientSessionStart};
use crate::context::ServiceFacts;
use crate::control_stream::Then;
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::{
    CarrierSpec, ClientRoutine, ClientServiceSpec, DialSpec, HostPort, ProxySpec, ProxyType,
    ServiceType, TcpSpec, TransportSpec,
};
use crate::testing::run_with;
use crate::upcall::Upcall;

pub(crate) const SILENCE_MS: u64 = 5_000;

/// Requests are counted, never dialled.
pub(crate) fn limits() -> Limits {
    Limits {
        dials_at_once: 0,
        dials_waiting: usize::MAX,
        ..Limits::default()
    }
}

/// Where nobody is ever dialled.
fn dial_spec() -> DialSpec {
    DialSpec {
        remote: HostPort {
            host: "127.0.0.1".to_owned(),
            port: 1,
        },
        prefer_ipv6: false,
        transport: TransportSpec {
            tcp: TcpSpec {
                nodelay: true,
                keepalive_ms: 0,
                keepalive_interval_ms: 0,
            },
            carrier: CarrierSpec::Tcp,
        },
        proxy: None,
    }
}

/// A service that is open, and a session of it that runs without a stream.
pub(crate) fn scene(shard: &Rc<Shard>) -> (Rc<ClientService>, Rc<ClientSession>) {
    let (service, session) = awaited(
        shard,
        ClientRoutine {
            silence_timeout_ms: SILENCE_MS,
            ..routine()
        },
    );
    session.run(SocketAddr::from(([127, 0, 0, 1], 1)));
    (service, session)
}

/// As `scene`; its stream is still to come.
pub(crate) fn awaited(
    shard: &Rc<Shard>,
    routine: ClientRoutine,
) -> (Rc<ClientService>, Rc<ClientSession>) {
    let spec = ClientServiceSpec {
        name: "test".to_owned(),
        protocol: ServiceType::Tcp,
        local: dial_spec().remote,
        nodelay: None,
        prefer_ipv6: false,
    };
    let facts = Arc::new(ServiceFacts::new(1, "test", ServiceType::Tcp, 0));
    let service = ClientService::open(shard, facts, spec);
    let start = ClientSessionStart {
        session: 7,
        dial: dial_spec(),
        routine,
    };
    let session = ClientSession::new(shard, 1, &service, start);
    (service, session)
}

/// What is sent, where it is cut, and what of it the routine does not know.
#[derive(Clone, Debug)]
struct Script {
    creates: Vec<bool>,
    tail: Vec<u8>,
    cuts: Vec<usize>,
}

fn scripts() -> impl Strategy<Value = Script> {
    let tail = prop_oneof![
        // An incomplete command, or one that is not known with whatever follows it.
        prop::collection::vec(0_u8..2, 0..4),
        (2_u8.., prop::collection::vec(any::<u8>(), 3..20)).prop_map(|(first, rest)| {
            let mut tail = vec![first];
            tail.extend(rest);
            tail
        }),
    ];
    let creates = prop::collection::vec(any::<bool>(), 0..40);
    let cuts = prop::collection::vec(1_usize..9, 1..200);
    (creates, tail, cuts).prop_map(|(creates, tail, cuts)| Script {
        creates,
        tail,
        cuts,
    })
}

/// As the stream's task gives bytes to a session.
fn play(shard: &Rc<Shard>, script: &Script) {
    let (_service, session) = scene(shard);
    let mut bytes: Vec<u8> = Vec::new();
    for is_create in &script.creates {
        bytes.extend(if *is_create { CREATE } else { HEARTBEAT });
    }
    bytes.extend(&script.tail);
    let mut unread: Vec<u8> = Vec::new();
    let mut surplus = false;
    let mut cuts = script.cuts.iter().cycle();
    let mut rest = &bytes[..];
    while !rest.is_empty() && !surplus {
        let cut = cuts.next().copied().unwrap_or(1).min(rest.len());
        unread.extend(&rest[..cut]);
        rest = &rest[cut..];
        let consumed = session.bytes(&unread);
        unread.drain(..consumed.used);
        surplus = consumed.then == Then::Suspend;
    }
    unread.extend(rest);
    let creates = script
        .creates
        .iter()
        .filter(|is_create| **is_create)
        .count();
    assert_eq!(session.dialer.outstanding(), creates);
    assert_eq!(unread, script.tail);
    assert_eq!(surplus, script.tail.len() >= 4);
}

#[test]
fn understands_commands_however_they_are_cut() {
    run_with(limits(), |shard| async move {
        let mut runner = TestRunner::new(Config {
            failure_persistence: None,
            ..Config::default()
        });
        let result = runner.run(&scripts(), |script| {
            play(&shard, &script);
            Ok(())
        });
        result.expect("every script");
    });
}

#[test]
fn only_whole_commands_prove_life() {
    run_with(limits(), |shard| async move {
        let (_service, session) = scene(&shard);
        let armed = session.deadline();
        assert_eq!(armed, shard.after(SILENCE_MS));
        shard.sleep(5).await.expect("not cancelled");
        session.bytes(&HEARTBEAT[..3]);
        assert_eq!(session.deadline(), armed);
        session.bytes(&HEARTBEAT);
        assert_eq!(session.deadline(), shard.after(SILENCE_MS));
        session.suspended();
        assert_eq!(session.deadline(), None);
    });
}

#[test]
fn a_routine_of_an_update_starts_supervision_anew_unless_suspended() {
    run_with(limits(), |shard| async move {
        let (_service, session) = scene(&shard);
        let routine = ClientRoutine {
            silence_timeout_ms: 0,
            ..(*session.routine()).clone()
        };
        session.set_routine(routine.clone());
        assert_eq!(session.deadline(), None);
        session.suspended();
        session.set_routine(ClientRoutine {
            silence_timeout_ms: 3,
            ..routine.clone()
        });
        assert_eq!(session.deadline(), None);
        session.resume(ClientRoutine {
            silence_timeout_ms: 4,
            ..routine
        });
        assert_eq!(session.deadline(), shard.after(4));
    });
}

#[test]
fn its_end_is_told_once_and_gives_requests_up() {
    let ((), upcalls) = run_with(limits(), |shard| async move {
        let (service, session) = scene(&shard);
        session.bytes(&CREATE);
        assert_eq!(session.dialer.outstanding(), 1);
        session.ended(EndReason::ControlEof);
        session.end(EndReason::Replaced);
        assert_eq!(session.dialer.outstanding(), 0);
        drop(service);
    });
    let ends: Vec<_> = upcalls
        .iter()
        .filter(|it| matches!(it, Upcall::SessionEnded { .. }))
        .collect();
    assert!(
        matches!(
            ends[..],
            [Upcall::SessionEnded {
                session: 7,
                reason: EndReason::ControlEof,
                ..
            }]
        ),
        "{upcalls:?}"
    );
}

#[test]
fn ends_a_session_that_is_silent() {
    let mut client = Client::open(Limits::default());
    client.attach(
        1,
        ClientRoutine {
            silence_timeout_ms: 40,
            ..routine()
        },
    );
    assert_eq!(client.session_end(1), EndReason::HeartbeatTimeout);
    client.assert_told_nothing();
}

#[test]
fn hands_up_what_it_does_not_know_and_goes_on_after_resume() {
    let mut client = Client::connected(Limits::default());
    let control = client.control.as_mut().expect("a control channel");
    control
        .write_all(&[CREATE, *b"what", CREATE].concat())
        .expect("the client reads");
    client.upcall("surplus", |upcall| {
        matches!(upcall, Upcall::Surplus { session: 1, .. }).then_some(())
    });
    let _first = accept(&client.server);
    client.engine.stream_read(1, 4);
    let bytes = client.upcall("the bytes", |upcall| match upcall {
        Upcall::StreamRead { bytes, .. } => Some(bytes.clone()),
        _ => None,
    });
    assert_eq!(bytes, b"what");
    client.engine.resume_client(SERVICE, routine());
    let _second = accept(&client.server);
    client.channel();
}

/// A new proxy has another address than the one that the control channel came through.
#[test]
fn the_address_that_was_reached_goes_with_what_was_dialled() {
    run_with(limits(), |shard| async move {
        let (_service, session) = scene(&shard);
        let reached = session.first();
        assert!(reached.is_some());
        session.set_dial(dial_spec());
        assert_eq!(session.first(), reached, "only who we are is new");
        let proxy = ProxySpec {
            protocol: ProxyType::Http,
            address: HostPort {
                host: "127.0.0.1".to_owned(),
                port: 2,
            },
            credentials: None,
        };
        session.set_dial(DialSpec {
            proxy: Some(proxy),
            ..dial_spec()
        });
        assert_eq!(session.first(), None);
    });
}
