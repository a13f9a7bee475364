//! Pauses, what a channel costs while it waits, and faults.

use std::io::Write;
use std::mem::size_of_val;
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Dialing, channel, jitter};
use crate::client_scene::{CREATE, Client, HEARTBEAT, HELLO, accept, address, listener, read};
use crate::client_session::tests::scene;
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::spec::HostPort;
use crate::testing::{run, run_with};
use crate::upcall::Upcall;
use crate::waiting_channel::Held;

#[test]
fn pauses_differ_within_their_bounds() {
    let pauses: Vec<u64> = (0..200).map(|_| jitter(1_000)).collect();
    assert!(pauses.iter().all(|pause| (500..=1_500).contains(pause)));
    let short = pauses.iter().filter(|pause| **pause < 1_000).count();
    assert!((20..180).contains(&short), "{pauses:?}");
}

/// All that a connection that is held may cost is 1 KB; its task is most of that.
#[test]
fn a_channel_costs_little_while_it_waits() {
    let size = run(|shard| async move {
        let (service, session) = scene(&shard);
        let key = session
            .dialer
            .running
            .borrow_mut()
            .insert(shard.tasks.current());
        let dialing = Dialing::begin(&service, &session, key);
        size_of_val(&channel(dialing, None))
    });
    assert!(size <= 704, "{size}");
}

#[test]
fn faults_leave_the_counts_exact_and_are_told() {
    let limits = Limits {
        orphan_grace_ms: 0,
        ..Limits::default()
    };
    let ((ends, ready), upcalls) = run_with(limits, |shard| async move {
        let (service, session) = scene(&shard);
        let key = session
            .dialer
            .running
            .borrow_mut()
            .insert(shard.tasks.current());
        let dialing = Dialing::begin(&service, &session, key);
        let (one, other) = (Rc::clone(&service), Rc::clone(&session));
        shard.spawn("dial that panics", async move {
            let _dialing = dialing;
            panic!("a fault of the test");
        });
        shard.spawn("wait that panics", async move {
            let _held = Held::enter(&one, &other);
            assert_eq!(one.facts().counters.pool_ready.load(Relaxed), 1);
            panic!("a fault of the test");
        });
        shard.sleep(1).await.expect("not cancelled");
        assert_eq!(
            (session.dialer.outstanding(), service.dialing.get()),
            (0, 0)
        );
        let counters = &service.facts().counters;
        let ready = counters.pool_ready.load(Relaxed);
        (counters.ends.snapshot(), ready)
    });
    assert_eq!((ends, ready), (vec![(EndReason::InternalError, 2)], 0));
    let faults = upcalls
        .iter()
        .filter(|it| matches!(it, Upcall::Events(_)))
        .count();
    assert!(faults > 0, "{upcalls:?}");
}

#[test]
fn gives_a_channel_up_that_cannot_be_dialled_in_time() {
    let mut client = Client::connected(Limits {
        dial_retry_ms: 150,
        ..Limits::default()
    });
    let HostPort { host, port } = address(&client.server);
    client.server = listener();
    client.command(CREATE);
    let (reason, error) = client.channel_failed();
    assert_eq!(reason, EndReason::DialFailed);
    let tried = format!("connect ECONNREFUSED {host}:{port}");
    assert_eq!(error, format!("cannot connect to {host}:{port}: {tried}"));
}

#[test]
fn dials_again_after_a_pause() {
    let mut client = Client::connected(Limits::default());
    let address = client.server.local_addr().expect("an address");
    client.server = listener();
    client.command(CREATE);
    client.command(HEARTBEAT);
    // It listens there again: one of the next tries finds it.
    client.server = TcpListener::bind(address).expect("the port is free again");
    let mut channel = accept(&client.server);
    assert_eq!(read(&mut channel, HELLO.len()), HELLO);
}

#[test]
fn refuses_requests_beyond_what_may_wait() {
    let limits = Limits {
        dials_at_once: 1,
        dials_waiting: 3,
        ..Limits::default()
    };
    let mut client = Client::connected(limits);
    let control = client.control.as_mut().expect("a control channel");
    control
        .write_all(&CREATE.repeat(100))
        .expect("the client reads");
    let (reason, error) = client.channel_failed();
    assert_eq!(
        (reason, error.as_str()),
        (EndReason::DialLimit, "more than 3 channels are waiting")
    );
    let held: Vec<TcpStream> = (0..3).map(|_| accept(&client.server)).collect();
    client.until("every request's end", |stats| {
        let refused: u64 = stats.ends.iter().map(|(_, count)| count).sum();
        refused as usize + stats.pool_ready == 100
    });
    drop(held);
}
