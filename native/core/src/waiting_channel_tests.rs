//! Channels that wait: how they are started, put to use again and again, and how they end.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};

use crate::channel_words::{END_WORD, FREE_WORD, abort_words, data_word, put_start};
use crate::client_scene::{
    Client, HEARTBEAT, SERVICE, START, accept, end_of, read, reset, routine,
};
use crate::frames::tests::{TYPES, channels_frame, frame};
use crate::limits::Limits;
use crate::origin::{Addresses, Origin};
use crate::reason::EndReason;
use crate::spec::{ClientRoutine, ClientServiceChange, ReuseRules};

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

/// Puts a channel to use, once.
const REUSE: &[u8] = b"WRN1";

fn reusing() -> ClientRoutine {
    ClientRoutine {
        reuse: Some(ReuseRules {
            start: REUSE.into(),
            addresses: true,
            frames: Some(TYPES),
        }),
        ..routine()
    }
}

/// With a session whose peer reuses channels.
fn connected(limits: Limits) -> Client {
    let mut client = Client::open(limits);
    client.attach(1, reusing());
    client
}

/// One more data channel, as the server has it: behind the hello.
fn channel(client: &mut Client) -> TcpStream {
    let control = client.control.as_mut().expect("a control channel");
    control.write_all(&channels_frame(1)).expect("room");
    let mut channel = accept(&client.server);
    assert_eq!(read(&mut channel, routine().hello.len()), routine().hello);
    channel.set_nodelay(true).expect("a socket");
    channel
}

/// The client has read what was said before on its control channel, and so on its channels.
fn say(mut channel: &TcpStream, bytes: &[u8]) {
    channel.write_all(bytes).expect("the client reads");
}

fn start(number: u64) -> Vec<u8> {
    let addresses = Addresses::new(visitor(number), SocketAddr::from(([192, 0, 2, 1], 80)));
    let mut bytes = Vec::new();
    let addresses = Some(addresses);
    put_start(&mut bytes, &Origin { number, addresses });
    bytes
}

fn visitor(number: u64) -> SocketAddr {
    let port = u16::try_from(1_000 + number).expect("a port");
    SocketAddr::from(([198, 51, 100, 7], port))
}

fn record(payload: &[u8]) -> Vec<u8> {
    [&data_word(payload.len()), payload].concat()
}

/// A visitor that asks and is answered; its channel is idle again.
fn answer(client: &mut Client, channel: &mut TcpStream) {
    let mut local = accept(&client.local);
    assert_eq!(read(&mut local, 4), b"ping");
    assert_eq!(end_of(&mut local), None);
    local.write_all(b"answer").expect("the client reads");
    drop(local);
    let expected = [record(b"answer"), END_WORD.to_vec()].concat();
    assert_eq!(read(channel, expected.len()), expected);
    let (_, _, reason) = client.visitor_end();
    assert_eq!(reason, EndReason::VisitorFin);
    client.until("an idle channel", |stats| stats.pool_ready == 1);
}

#[test]
fn is_put_to_use_again_and_again_by_a_start_that_is_cut_at_every_byte() {
    let mut client = connected(Limits::default());
    let mut channel = channel(&mut client);
    let length = [start(1), record(b"ping"), END_WORD.to_vec()]
        .concat()
        .len();
    for cut in 0..=length {
        let number = cut as u64 + 1;
        let mut bytes = [start(number), record(b"ping"), END_WORD.to_vec()].concat();
        let mut cut = cut;
        if number == 1 {
            bytes.splice(..0, REUSE.iter().copied());
            cut = 3;
        }
        say(&channel, &bytes[..cut]);
        // What came before it on another connection has been looked at.
        client.until("the channel", |stats| stats.visitors_open <= 1);
        say(&channel, &bytes[cut..]);
        answer(&mut client, &mut channel);
    }
    let stats = client.stats();
    assert_eq!(stats.visitors_total, length as u64 + 1);
    assert_eq!(stats.ends, [(EndReason::VisitorFin, length as u64 + 1)]);
}

#[test]
fn a_start_command_and_all_behind_it_is_understood_byte_by_byte() {
    let mut client = connected(Limits::default());
    let bytes = [REUSE.to_vec(), start(1), record(b"ping"), END_WORD.to_vec()].concat();
    let mut channel = channel(&mut client);
    for byte in bytes {
        say(&channel, &[byte]);
        client.stats();
    }
    answer(&mut client, &mut channel);
}

/// The next START may come with the last word of the use before.
#[test]
fn a_start_right_behind_a_use_begins_the_next() {
    let mut client = connected(Limits::default());
    let mut channel = channel(&mut client);
    say(&channel, &[REUSE, &start(1)].concat());
    let mut local = accept(&client.local);
    local.write_all(b"first").expect("the client reads");
    drop(local);
    let expected = [record(b"first"), END_WORD.to_vec()].concat();
    assert_eq!(read(&mut channel, expected.len()), expected);
    let next = [start(2), record(b"ping"), END_WORD.to_vec()];
    say(&channel, &[&END_WORD[..], &next.concat()].concat());
    assert_eq!(client.visitor_end().2, EndReason::LocalFin);
    answer(&mut client, &mut channel);
}

#[test]
fn several_channels_have_their_own_visitors() {
    let mut client = connected(Limits::default());
    let mut channels: Vec<_> = (0..5).map(|_| channel(&mut client)).collect();
    for round in 0..3_u8 {
        let mut locals = Vec::new();
        for (index, channel) in channels.iter().enumerate() {
            let command = if round == 0 { REUSE } else { b"" };
            let tag = [round, u8::try_from(index).expect("few")];
            let number = u64::from(round) * 5 + index as u64 + 1;
            say(channel, &[command, &start(number), &record(&tag)].concat());
            let mut local = accept(&client.local);
            assert_eq!(read(&mut local, 2), tag);
            locals.push((local, tag));
        }
        assert_eq!(client.stats().pool_ready, 0);
        for (channel, (mut local, tag)) in channels.iter_mut().zip(locals) {
            local.write_all(&tag).expect("the client reads");
            drop(local);
            assert_eq!(
                read(channel, 10),
                [record(&tag), END_WORD.to_vec()].concat()
            );
            say(channel, &END_WORD);
        }
        client.until("idle channels", |stats| stats.pool_ready == 5);
    }
    assert_eq!(client.stats().ends, [(EndReason::LocalFin, 15)]);
}

#[test]
fn what_is_no_start_costs_the_channel() {
    let mut unknown_family = start(1);
    unknown_family[14] = 5;
    let mut short = start(1);
    short[4] = 7;
    let mut long = start(1);
    (long[4], long[5]) = (1, 4);
    let bad = [
        END_WORD.to_vec(),
        FREE_WORD.to_vec(),
        abort_words(1).to_vec(),
        record(b"x"),
        0x8000_0000_u32.to_le_bytes().to_vec(),
        unknown_family,
        short,
        long,
        // Wire v1's, once it is reusable.
        START.to_vec(),
    ];
    let mut client = connected(Limits::default());
    for (index, bytes) in bad.iter().enumerate() {
        // At once, and behind a use.
        let mut fresh = channel(&mut client);
        say(&fresh, &[REUSE, bytes].concat());
        assert_eq!(
            end_of(&mut fresh),
            Some(ErrorKind::ConnectionReset),
            "{bytes:?}"
        );
        let mut used = channel(&mut client);
        let first = [start(1), record(b"ping"), END_WORD.to_vec()].concat();
        say(&used, &[REUSE, &first].concat());
        answer(&mut client, &mut used);
        say(&used, bytes);
        assert_eq!(
            end_of(&mut used),
            Some(ErrorKind::ConnectionReset),
            "{bytes:?}"
        );
        client.until_ended(EndReason::BadRecord, 2 * (index as u64 + 1));
        assert_eq!(client.channel_failed().0, EndReason::BadRecord);
    }
    client.until("no channel that waits", |stats| stats.pool_ready == 0);
    assert_eq!(client.stats().visitors_total, bad.len() as u64);
}

/// Once the offer is made, whatever has been answered; until then it is no command.
#[test]
fn the_command_is_understood_as_the_routine_is_now() {
    let mut client = Client::connected(Limits::default());
    let mut refused = client.channel();
    say(&refused, REUSE);
    assert_eq!(client.channel_failed().0, EndReason::BadStart);
    end_of(&mut refused);
    let (mut one, mut two) = (client.channel(), client.channel());
    client.until("both", |stats| stats.pool_ready == 2);
    let offered = reusing().reuse.map(|rules| ReuseRules {
        frames: None,
        ..rules
    });
    let change = ClientServiceChange {
        routine: Some(ClientRoutine {
            reuse: offered,
            ..routine()
        }),
        ..ClientServiceChange::default()
    };
    client.engine.update_client(SERVICE, change);
    // Calls come in order: it has been done when this channel is there.
    let _three = client.channel();
    say(&one, &[REUSE, &start(1), &record(b"new")].concat());
    let mut local = accept(&client.local);
    assert_eq!(read(&mut local, 3), b"new");
    local.write_all(b"x").expect("the client reads");
    assert_eq!(read(&mut one, 5), record(b"x"));
    // And that of wire v1 is, too.
    say(&two, &[START, b"old"].concat());
    let mut local = accept(&client.local);
    assert_eq!(read(&mut local, 3), b"old");
    local.write_all(b"x").expect("the client reads");
    assert_eq!(read(&mut two, 1), b"x");
}

#[test]
fn an_idle_one_is_closed_a_while_after_its_session() {
    let limits = Limits {
        orphan_grace_ms: 30,
        ..Limits::default()
    };
    let mut client = connected(limits);
    let mut idle = channel(&mut client);
    let first = [start(1), record(b"ping"), END_WORD.to_vec()].concat();
    say(&idle, &[REUSE, &first].concat());
    answer(&mut client, &mut idle);
    let mut begun = channel(&mut client);
    // It waits for the rest of START.
    say(&begun, &[REUSE, &start(2)[..9]].concat());
    client.control = None;
    assert_eq!(client.session_end(1), EndReason::ControlEof);
    assert_eq!((end_of(&mut idle), end_of(&mut begun)), (None, None));
    client.until_ended(EndReason::SessionEnd, 2);
    client.until("no channel that waits", |stats| stats.pool_ready == 0);
}

/// Whoever started it did not know yet; but it is the last use of that channel.
#[test]
fn one_that_is_put_to_use_within_the_grace_serves_its_visitor_only() {
    let mut client = connected(Limits::default());
    let mut channel = channel(&mut client);
    client.until("the channel", |stats| stats.pool_ready == 1);
    client.control = None;
    assert_eq!(client.session_end(1), EndReason::ControlEof);
    let late = [start(1), record(b"late"), END_WORD.to_vec()].concat();
    say(&channel, &[REUSE, &late].concat());
    let mut local = accept(&client.local);
    assert_eq!(read(&mut local, 4), b"late");
    assert_eq!(end_of(&mut local), None);
    drop(local);
    assert_eq!(read(&mut channel, 4), END_WORD);
    assert_eq!(end_of(&mut channel), None);
    assert_eq!(client.stats().pool_ready, 0);
}

#[test]
fn a_use_goes_on_when_its_session_drains_and_its_channel_ends_with_it() {
    let mut client = connected(Limits::default());
    let mut channel = channel(&mut client);
    say(&channel, &[REUSE, &start(1), &record(b"ping")].concat());
    let mut local = accept(&client.local);
    assert_eq!(read(&mut local, 4), b"ping");
    let control = client.control.as_mut().expect("a control channel");
    control
        .write_all(&frame(TYPES.drain, &[255; 4]))
        .expect("the client reads");
    assert_eq!(client.session_end(1), EndReason::Drain);
    local.write_all(b"more").expect("the client reads");
    assert_eq!(read(&mut channel, 8), record(b"more"));
    say(&channel, &[record(b"and more"), END_WORD.to_vec()].concat());
    assert_eq!(read(&mut local, 8), b"and more");
    drop(local);
    assert_eq!(read(&mut channel, 4), END_WORD);
    assert_eq!(end_of(&mut channel), None);
    assert_eq!(client.visitor_end().2, EndReason::VisitorFin);
}
