//! Links behind real transports: content under back-pressure, ends, faults, memory.

use std::io;
use std::rc::Rc;

use super::{CodedLink, Finish};
use crate::limits::Limits;
use crate::link::Link;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::testing::{TestShards, run};
use crate::transport::scene::{Carrier, carriers, connect};

fn coded(link: &Link) -> &CodedLink {
    match link {
        Link::Coded(link) => link,
        Link::Tcp(_) | Link::Reused(_) => panic!("every transport codes"),
    }
}

/// Runs the test over every transport.
fn over_each<F: Future<Output = ()> + 'static>(
    test: impl Fn(Rc<Shard>, Carrier, Link, Link) -> F + Copy + Send + 'static,
) {
    for carrier in carriers() {
        run(move |shard| async move {
            let (client, server) = connect(&shard, &carrier).await;
            test(Rc::clone(&shard), carrier, client, server).await;
        });
    }
}

async fn read_exactly(shard: &Shard, link: &Link, length: usize) -> Vec<u8> {
    let mut got = Vec::new();
    let mut buffer = vec![0; 10_000];
    while got.len() < length {
        let room = buffer.len().min(length - got.len());
        match link.try_read(&mut buffer[..room]) {
            Ok(0) => panic!("ended after {} of {length} bytes", got.len()),
            Ok(count) => got.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                shard.park(None).await.expect("not cancelled");
            }
            Err(error) => panic!("{error}"),
        }
    }
    got
}

async fn read_end(shard: &Shard, link: &Link) -> io::Result<usize> {
    loop {
        link.flush()?;
        match link.try_read(&mut [0; 100]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                shard.park(None).await.expect("not cancelled");
            }
            result => return result,
        }
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

#[test]
fn an_idle_link_keeps_no_buffers() {
    over_each(|shard, carrier, client, server| async move {
        for length in [1, 40_000] {
            let sent = content(length);
            assert_eq!(client.try_write(&sent).expect("writes"), length);
            let got = read_exactly(&shard, &server, length).await;
            assert!(got == sent, "{}", carrier.name);
            assert_eq!(server.try_write(&sent).expect("writes"), length);
            assert!(read_exactly(&shard, &client, length).await == sent);
        }
        for link in [&client, &server] {
            let waits = link.try_read(&mut [0]).map_err(|error| error.kind());
            assert_eq!(waits, Err(io::ErrorKind::WouldBlock));
            let state = coded(link).state.borrow();
            let kept = [&state.rest, &state.plain, &state.outgoing].map(Vec::capacity);
            assert_eq!(kept, [0; 3], "{}", carrier.name);
        }
    });
}

#[test]
fn what_the_peer_does_not_take_waits_and_arrives() {
    over_each(|shard, carrier, client, server| async move {
        let sent = content(20_000_000);
        let mut written = 0;
        let mut got = Vec::new();
        let mut buffer = vec![0; 100_000];
        let mut was_full = false;
        while got.len() < sent.len() {
            while written < sent.len() {
                match client.try_write(&sent[written..]) {
                    Ok(count) => written += count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
            let waiting = coded(&client).state.borrow().outgoing.len();
            was_full |= waiting > 0;
            assert!(waiting < 600_000, "{}: {waiting} bytes wait", carrier.name);
            client.flush().expect("flushes");
            match server.try_read(&mut buffer) {
                Ok(count) => got.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    shard.park(None).await.expect("not cancelled");
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(was_full, "the peer was never full: {}", carrier.name);
        assert!(got == sent, "{}", carrier.name);
    });
}

#[test]
fn each_direction_ends_by_itself() {
    over_each(|shard, carrier, client, server| async move {
        client.try_write(b"last").expect("writes");
        client.finish().expect("ends");
        assert_eq!(read_exactly(&shard, &server, 4).await, b"last");
        assert_eq!(read_end(&shard, &server).await.expect("an end"), 0);
        // The other direction goes on.
        server.try_write(&content(30_000)).expect("writes");
        let got = read_exactly(&shard, &client, 30_000).await;
        assert!(got == content(30_000), "{}", carrier.name);
        server.finish().expect("ends");
        assert!(server.is_flushed());
        assert_eq!(read_end(&shard, &client).await.expect("an end"), 0);
        assert_eq!(client.fault(), None);
        assert_eq!(coded(&client).state.borrow().finish, Finish::Sent);
    });
}

#[test]
fn a_connection_that_is_cut_off_is_no_end() {
    over_each(|shard, carrier, client, server| async move {
        client.try_write(b"whole").expect("writes");
        // Half of a record, then FIN.
        let half: &[u8] = match carrier.name {
            "tls" | "websocket over tls" => &[0x17, 3, 3, 0, 40, 1, 2],
            "websocket" => &[0x82, 0xa8, 1, 2, 3, 4, 5],
            _ => &[40, 0, 1, 2, 3],
        };
        let tcp = coded(&client).tcp();
        tcp.try_write(half).expect("writes");
        tcp.finish().expect("FIN");
        assert_eq!(read_exactly(&shard, &server, 5).await, b"whole");
        let got = read_end(&shard, &server).await;
        if carrier.name == "websocket" {
            // Frames are no records: what has come of one is delivered.
            assert_eq!(got.expect("the frame's first byte"), 1);
        }
        let end = read_end(&shard, &server).await;
        let kind = end.expect_err("no end").kind();
        assert_eq!(kind, io::ErrorKind::InvalidData, "{}", carrier.name);
        assert_eq!(server.fault(), Some(EndReason::Truncated));
        assert!(server.is_readable(), "it is told to whoever asks");
    });
}

/// Which is how stock peers end a channel that carries no visitor.
#[test]
fn a_missing_goodbye_alone_is_an_end_where_no_visitor_is_carried() {
    over_each(|shard, carrier, client, server| async move {
        client.try_write(b"whole").expect("writes");
        coded(&client).tcp().finish().expect("FIN");
        assert_eq!(read_exactly(&shard, &server, 5).await, b"whole");
        let end = read_end(&shard, &server).await;
        if carrier.name.starts_with("noise") {
            assert_eq!(end.expect("an end"), 0, "there is no other goodbye");
            return;
        }
        let error = end.expect_err("no goodbye");
        assert_eq!(server.fault(), Some(EndReason::Truncated));
        let (eof, broken) = (EndReason::ChannelEof, EndReason::StaleChannel);
        let reason = server.channel_reason(&error, eof, broken);
        assert_eq!(reason, eof, "{}", carrier.name);
        let other = io::ErrorKind::InvalidData.into();
        let reason = server.channel_reason(&other, eof, broken);
        assert_eq!(reason, EndReason::Truncated);
    });
}

#[test]
fn forged_records_end_it_after_what_is_good() {
    over_each(|shard, carrier, client, server| async move {
        let forged: &[u8] = match carrier.name {
            "tls" | "websocket over tls" => &[
                0x17, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
                19, 20,
            ],
            // An unmasked text frame.
            "websocket" => &[0x81, 2, b'h', b'i'],
            _ => &[
                17, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
            ],
        };
        client.try_write(b"good").expect("writes");
        coded(&client).tcp().try_write(forged).expect("writes");
        assert_eq!(read_exactly(&shard, &server, 4).await, b"good");
        let end = read_end(&shard, &server).await;
        let kind = end.expect_err("forged").kind();
        assert_eq!(kind, io::ErrorKind::InvalidData, "{}", carrier.name);
        assert_eq!(server.fault(), Some(EndReason::BadRecord));
    });
}

#[test]
fn a_peer_that_sends_nothing_without_end_delays_nobody() {
    run(|shard| async move {
        let mut carriers = carriers().into_iter();
        let websocket = carriers.find(|it| it.name == "websocket").expect("one");
        let (client, server) = connect(&shard, &websocket).await;
        // From now on a short read does not mean that nothing is left, as on a fast network.
        let tcp = coded(&client).tcp();
        tcp.write_with(|socket| socket2::SockRef::from(socket).send_out_of_band(b"!"))
            .expect("writes");
        // Frames without content, as many as the system holds.
        let empty = [0x82, 0x80, 1, 2, 3, 4].repeat(10_000);
        let mut sent = 0;
        loop {
            match tcp.try_write(&empty[sent % 6..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        let (mut turns, mut ended) = (0, false);
        loop {
            let read = server.try_read(&mut [0; 100]);
            turns += usize::from(coded(&server).tcp().is_readable());
            match read {
                Ok(length) => {
                    assert_eq!(length, 9, "something");
                    break;
                }
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            shard.park(None).await.expect("woken");
            if tcp.is_writable() && !ended {
                ended = true;
                tcp.try_write(&empty[sent % 6..6]).expect("writes");
                client.try_write(b"something").expect("writes");
            }
        }
        assert!(turns > 2, "{sent} bytes in {turns} turns");
    });
}

/// Both ends of a connection that keeps writes apart.
#[cfg(target_os = "linux")]
fn packets() -> (mio::net::TcpStream, socket2::Socket) {
    use socket2::{Domain, Socket, Type};

    let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).expect("a pair");
    ours.set_nonblocking(true).expect("a socket");
    let ours = std::net::TcpStream::from(std::os::fd::OwnedFd::from(ours));
    (mio::net::TcpStream::from_std(ours), theirs)
}

#[cfg(target_os = "linux")]
#[test]
fn the_last_words_of_a_handshake_leave_with_the_first_of_what_follows() {
    over_each(|shard, carrier, client, _server| async move {
        let (ours, theirs) = packets();
        let tcp = crate::tcp_link::TcpLink::adopt(&shard, ours).expect("a link");
        let Link::Coded(client) = client else {
            panic!("every transport codes")
        };
        let codec = client.state.borrow_mut().codec.take().expect("there");
        let link = CodedLink::new(tcp, codec, &[], b"last words".to_vec());
        link.try_write(b"hello").expect("writes");
        let mut wire = [0; 1_000];
        let length = std::io::Read::read(&mut &theirs, &mut wire).expect("a packet");
        assert!(wire.starts_with(b"last words"));
        assert!(length > 15, "{}: {length} bytes", carrier.name);
    });
}

#[test]
fn a_link_dropped_in_the_middle_of_a_record_is_reset() {
    over_each(|shard, carrier, client, server| async move {
        while client.is_writable() {
            client.try_write(&content(100_000)).expect("writes");
        }
        assert!(!client.is_flushed());
        drop(client);
        let tcp = coded(&server).tcp();
        let end = loop {
            match tcp.try_read(&mut [0; 100_000]) {
                Ok(0) => panic!("FIN over {}", carrier.name),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    shard.park(None).await.expect("not cancelled");
                }
                Err(error) => break error.kind(),
            }
        };
        assert_eq!(end, io::ErrorKind::ConnectionReset, "{}", carrier.name);
    });
}

#[test]
fn a_link_goes_on_at_another_shard_with_all_that_it_has() {
    for carrier in carriers() {
        let shards = TestShards::several(2, Limits::default());
        shards.run(move |shard| async move {
            let (client, server) = connect(&shard, &carrier).await;
            client.try_write(&content(50_000)).expect("writes");
            // A part of it is taken here, a part is opened, the rest is on its way.
            let first = read_exactly(&shard, &server, 10).await;
            let parcel = server.into_parcel().expect("leaves");
            let (send, receive) = std::sync::mpsc::channel();
            let (home, waiting) = (shard.index, shard.tasks.current());
            shard.remote(1).post(move |there| {
                let shard = Rc::clone(there);
                there.spawn("reader", async move {
                    let link = parcel.unpack(&shard).expect("arrives");
                    let rest = read_exactly(&shard, &link, 49_990).await;
                    link.try_write(b"answer").expect("writes");
                    link.flush().expect("flushes");
                    send.send((rest, link.into_parcel()))
                        .expect("the test waits");
                    shard
                        .remote(home)
                        .post(move |home| home.tasks.wake(waiting));
                });
            });
            assert_eq!(read_exactly(&shard, &client, 6).await, b"answer");
            let (rest, parcel) = receive.recv().expect("it was sent");
            drop(parcel);
            assert!(
                [first, rest].concat() == content(50_000),
                "{}",
                carrier.name
            );
        });
    }
}
