//! Sessions with a local service that has to be looked up, or cannot be reached.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::events::Event;
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::spec::{ClientServiceSpec, HostPort, ServiceType};
use crate::testing::{run, run_with};
use crate::udp_channel::UdpChannel;
use crate::udp_frame::VisitorKey;
use crate::udp_locals::{LocalScene, UdpLocals};
use crate::udp_scene::{Peer, Scene, connection, dropped, ends, facts, host_port, open};
use crate::upcall::Upcall;

#[test]
fn a_local_service_by_name_gets_what_waited_for_its_address() {
    run(|shard| async move {
        let local = Peer::new(&shard);
        let name = HostPort {
            host: "localhost".to_owned(),
            port: local.address().port(),
        };
        let resolved = crate::resolve::resolve(&shard, &name, false).await;
        let resolved = resolved.expect("nobody cancels").expect("hosts file");
        if resolved.first().is_none_or(SocketAddr::is_ipv6) {
            eprintln!("skipped: localhost is not 127.0.0.1 here");
            return;
        }
        local.echo();
        let scene = Scene::new(&shard, &name);
        scene.open().await;
        let visitor = Peer::new(&shard);
        for number in 0..20 {
            visitor.send(&[number], scene.public);
        }
        for number in 0..20 {
            assert_eq!(visitor.next().await.1, [number]);
        }
        assert_eq!(dropped(&scene.client), 0);
    });
}

#[test]
fn a_local_service_that_cannot_be_reached_is_told() {
    run(|shard| async move {
        // Connecting there needs a permission that nobody asks for.
        let broadcast = HostPort {
            host: "255.255.255.255".to_owned(),
            port: 9,
        };
        let scene = Scene::new(&shard, &broadcast);
        scene.open().await;
        let visitor = Peer::new(&shard);
        visitor.send(b"x", scene.public);
        scene
            .until("the end", |it| {
                ends(&it.client, EndReason::LocalUnreachable) == 1
            })
            .await;
        assert_eq!(open(&scene.client), 0);
        assert_eq!(shard.context.udp_sockets.load(Relaxed), 0);
    });
}

#[test]
fn a_session_that_ended_before_its_lookup_leaves_the_next_one_alone() {
    let limits = Limits {
        udp_sessions: 1,
        ..Limits::default()
    };
    let (_, upcalls) = run_with(limits, |shard| async move {
        let name = |host: &str| HostPort {
            host: host.to_owned(),
            port: 9,
        };
        let spec = ClientServiceSpec {
            name: "service".to_owned(),
            protocol: ServiceType::Udp,
            local: name("localhost"),
            nodelay: None,
            prefer_ipv6: false,
        };
        let facts = facts(1);
        let scene = Rc::new(LocalScene {
            shard: Rc::clone(&shard),
            facts: Arc::clone(&facts),
            spec: Rc::new(RefCell::new(spec)),
            sessions: Cell::new(0),
        });
        let (near, _far) = connection(&shard);
        let channel = Rc::new(UdpChannel::new(&shard, 0, near, Vec::new()));
        let locals = UdpLocals::new(&scene, &channel);
        let deliver = |port: u16| {
            let mut frame = Vec::new();
            VisitorKey::V4([127, 0, 0, 1], port).encode(b"x", &mut frame);
            assert_eq!(locals.deliver(&frame), Ok(frame.len()));
        };
        // Two that need a look-up, each replaced before its task has run, and one that does not.
        deliver(1);
        deliver(2);
        let local = Peer::new(&shard);
        scene.spec.borrow_mut().local = host_port(local.address());
        deliver(1);
        // What the first two find now, they cannot be connected to.
        scene.spec.borrow_mut().local = name("255.255.255.255");
        shard.tasks.yield_now().await.expect("nobody cancels");
        deliver(1);
        let first = local.next().await;
        assert_eq!(local.next().await, first, "by the same session");
        let total = facts.counters.visitors_total.load(Relaxed);
        assert_eq!((total, open(&facts)), (3, 1));
        locals.close(EndReason::SessionEnd);
        assert_eq!(shard.context.udp_sockets.load(Relaxed), 0);
    });
    let mut events = upcalls.iter().filter_map(|upcall| match upcall {
        Upcall::Events(events) => Some(events),
        _ => None,
    });
    let is_refused = |event: &Event| matches!(event, Event::VisitorRefused { .. });
    assert!(!events.any(|events| events.iter().any(is_refused)));
}
