//! Sessions that come and go, limits, and how a service ends.

use std::io::{ErrorKind, Write};

use super::ClientSessionStart;
use crate::client_scene::{CREATE, Client, SERVICE, START, end_of, read, routine};
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::upcall::Upcall;

#[test]
fn refuses_visitors_beyond_the_limit() {
    let mut client = Client::connected(Limits {
        visitors_per_service: 1,
        ..Limits::default()
    });
    let _served = client.visitor();
    let mut channel = client.channel();
    channel.write_all(START).expect("the client reads");
    assert_eq!(end_of(&mut channel), Some(ErrorKind::ConnectionReset));
    assert_eq!(client.visitor_end(), (0, 0, EndReason::VisitorLimit));
    assert_eq!(client.stats().visitors_open, 1);
}

#[test]
fn holds_no_more_channels_than_it_may() {
    let mut client = Client::connected(Limits {
        channels_per_service: 2,
        ..Limits::default()
    });
    let _held = (client.channel(), client.channel());
    client.until("two channels", |stats| stats.pool_ready == 2);
    client.command(CREATE);
    let expected = "2 channels are held or being dialled".to_owned();
    assert_eq!(client.channel_failed(), (EndReason::DialLimit, expected));
}

#[test]
fn a_newer_session_replaces_the_older() {
    let mut client = Client::connected(Limits::default());
    let (_channel, _local) = client.visitor();
    let mut older = client.control.take().expect("a control channel");
    client.attach(2, routine());
    assert_eq!(client.session_end(1), EndReason::Replaced);
    assert_eq!(end_of(&mut older), None);
    client.channel();
    assert_eq!(client.stats().visitors_open, 1);
    client.engine.detach(SERVICE, EndReason::ServiceClosed);
    assert_eq!(client.session_end(2), EndReason::ServiceClosed);
    client.assert_told_nothing();
}

#[test]
fn close_lets_visitors_finish() {
    let mut client = Client::connected(Limits {
        orphan_grace_ms: 10,
        ..Limits::default()
    });
    let (mut channel, mut local) = client.visitor();
    let mut idle = client.channel();
    client
        .engine
        .close_service(SERVICE, EndReason::ServiceClosed, None);
    assert_eq!(client.session_end(1), EndReason::ServiceClosed);
    assert_eq!(end_of(&mut idle), None);
    local.write_all(b"bye").expect("the client reads");
    assert_eq!(read(&mut channel, 3), b"bye");
    drop((channel, local));
    client.service_closed();
    assert_eq!(client.stats().visitors_open, 0);
    client.assert_told_nothing();
}

#[test]
fn close_aborts_what_is_left_at_the_deadline() {
    let mut client = Client::connected(Limits::default());
    let (mut channel, mut local) = client.visitor();
    let mut idle = client.channel();
    client
        .engine
        .close_service(SERVICE, EndReason::Drain, Some(30));
    client.service_closed();
    assert_eq!(end_of(&mut channel), Some(ErrorKind::ConnectionReset));
    assert_eq!(end_of(&mut local), Some(ErrorKind::ConnectionReset));
    assert_eq!(end_of(&mut idle), None);
    assert_eq!(client.session_end(1), EndReason::Drain);
    assert_eq!(client.stats().ends, [(EndReason::Drain, 2)]);
    client.assert_told_nothing();
}

#[test]
fn destroy_aborts_at_once_also_while_closing() {
    let mut client = Client::connected(Limits::default());
    let (mut channel, _local) = client.visitor();
    let _idle = client.channel();
    client
        .engine
        .close_service(SERVICE, EndReason::ServiceClosed, None);
    client.engine.destroy_service(SERVICE);
    client.service_closed();
    assert_eq!(end_of(&mut channel), Some(ErrorKind::ConnectionReset));
    assert_eq!(client.session_end(1), EndReason::ServiceClosed);
    assert_eq!(client.stats().ends, [(EndReason::Destroyed, 2)]);
    client.assert_told_nothing();
}

#[test]
fn a_service_that_is_closing_takes_no_session() {
    let mut client = Client::connected(Limits::default());
    let _served = client.visitor();
    client
        .engine
        .close_service(SERVICE, EndReason::ServiceClosed, None);
    let mut control = {
        let (stream, control) = client.dial();
        client.give(2, stream, routine());
        control
    };
    assert_eq!(client.session_end(2), EndReason::ServiceClosed);
    assert_eq!(end_of(&mut control), None);
    assert_eq!(client.session_end(1), EndReason::ServiceClosed);
    client.assert_told_nothing();
}

/// The stream is still on its way to the service's shard when these come.
#[test]
fn a_session_that_ends_before_its_stream_has_come_is_told_once() {
    type End = fn(&Client);
    let ends: [(End, EndReason); 4] = [
        (
            |client| client.engine.detach(SERVICE, EndReason::ControlData),
            EndReason::ControlData,
        ),
        (
            |client| {
                client
                    .engine
                    .close_service(SERVICE, EndReason::ServiceClosed, None);
            },
            EndReason::ServiceClosed,
        ),
        (
            |client| client.engine.destroy_service(SERVICE),
            EndReason::Destroyed,
        ),
        (
            |client| client.engine.stream_destroy(1, EndReason::ControlData),
            EndReason::ControlData,
        ),
    ];
    for (end, reason) in ends {
        for threads in [1, 2] {
            let mut client = Client::with_threads(threads, Limits::default());
            let (stream, mut control) = client.dial();
            client.give(1, stream, routine());
            end(&client);
            assert_eq!(client.session_end(1), reason);
            assert_eq!(end_of(&mut control), None);
            if matches!(reason, EndReason::ServiceClosed | EndReason::Destroyed) {
                client.service_closed();
            }
            client.assert_told_nothing();
        }
    }
}

#[test]
fn a_stream_that_had_ended_before_ends_its_session() {
    let mut client = Client::open(Limits::default());
    let (stream, control) = client.dial();
    drop(control);
    client.upcall("the stream's end", |upcall| {
        matches!(upcall, Upcall::StreamEnded { .. }).then_some(())
    });
    let start = ClientSessionStart {
        session: 1,
        dial: client.dial_spec(),
        routine: routine(),
    };
    client
        .engine
        .attach_client(SERVICE, stream, Some(EndReason::HandshakeEof), start);
    assert_eq!(client.session_end(1), EndReason::HandshakeEof);
    client.assert_told_nothing();
}
