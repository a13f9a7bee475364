//! Channels that wait: how they are started, and how they end.

use std::io::Write;

use crate::client_scene::{Client, HEARTBEAT, START, accept, end_of, read, reset};
use crate::limits::Limits;
use crate::reason::EndReason;

#[test]
fn understands_a_start_command_that_is_cut_at_every_byte() {
    let mut client = Client::connected(Limits::default());
    let bytes = [START, b"rest"].concat();
    for cut in 1..bytes.len() {
        let mut channel = client.channel();
        channel.set_nodelay(true).expect("a socket");
        channel.write_all(&bytes[..cut]).expect("the client reads");
        client.command(HEARTBEAT);
        channel.write_all(&bytes[cut..]).expect("the client reads");
        let mut local = accept(&client.local);
        assert_eq!(read(&mut local, 4), b"rest");
    }
}

#[test]
fn names_why_a_waiting_channel_ended() {
    let mut client = Client::connected(Limits::default());
    let mut other = client.channel();
    other.write_all(b"udp!").expect("the client reads");
    assert_eq!(client.channel_failed().0, EndReason::TypeMismatch);
    let mut unknown = client.channel();
    unknown.write_all(b"what").expect("the client reads");
    assert_eq!(client.channel_failed().0, EndReason::BadStart);
    drop(client.channel());
    client.until_ended(EndReason::ChannelEof, 1);
    reset(client.channel());
    client.until_ended(EndReason::StaleChannel, 1);
    client.until("no channel that waits", |stats| stats.pool_ready == 0);
}

#[test]
fn closes_what_waits_a_while_after_its_session() {
    let limits = Limits {
        orphan_grace_ms: 30,
        ..Limits::default()
    };
    let mut client = Client::connected(limits);
    let (mut one, mut two) = (client.channel(), client.channel());
    client.control = None;
    assert_eq!(client.session_end(1), EndReason::ControlEof);
    assert_eq!((end_of(&mut one), end_of(&mut two)), (None, None));
    client.until_ended(EndReason::SessionEnd, 2);
}

#[test]
fn serves_what_is_started_within_the_grace() {
    let mut client = Client::connected(Limits::default());
    let mut channel = client.channel();
    client.control = None;
    assert_eq!(client.session_end(1), EndReason::ControlEof);
    channel
        .write_all(&[START, b"late"].concat())
        .expect("the client reads");
    assert_eq!(read(&mut accept(&client.local), 4), b"late");
}
