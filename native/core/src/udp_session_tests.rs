//! Sessions with a local service that has to be looked up, or cannot be reached.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

use crate::reason::EndReason;
use crate::spec::HostPort;
use crate::testing::run;
use crate::udp_scene::{Peer, Scene, dropped, ends, open};

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
