//! Batches of datagrams over loopback: content, order, sizes, runs that the system cuts and joins.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use super::UdpLink;
use crate::shard::Shard;
use crate::sys::{self, Receiver};
use crate::testing::run;
use crate::udp_batch::Batch;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn bound(shard: &Rc<Shard>, address: SocketAddr) -> UdpLink {
    let link = UdpLink::bind(shard, address).expect("a free port");
    link.watch_by(shard.tasks.current());
    link
}

/// Datagrams that tell their number and their length, whatever comes of them.
fn datagram(number: usize, length: usize) -> Vec<u8> {
    let byte = |at: usize| (number * 31 + at * 7 + at / 256) as u8;
    (0..length).map(byte).collect()
}

/// Until so many have come, with the largest number of them that came as one message.
async fn receive(shard: &Rc<Shard>, link: &UdpLink, count: usize) -> (Vec<Vec<u8>>, usize) {
    let mut receiver = Receiver::new().expect("memory");
    let (mut all, mut joined) = (Vec::new(), 0);
    while all.len() < count {
        match link.receive(&mut receiver) {
            Ok(_) => {
                for message in receiver.messages() {
                    let before = all.len();
                    all.extend(message.datagrams().map(<[u8]>::to_vec));
                    joined = joined.max(all.len() - before);
                }
            }
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                shard.park(None).await.expect("nobody cancels");
            }
        }
    }
    (all, joined)
}

/// Sends them in one batch; the destination's longest run segment afterwards.
fn send(link: &UdpLink, to: Option<SocketAddr>, datagrams: &[Vec<u8>]) -> u16 {
    let bytes = datagrams.concat();
    let mut batch = Batch::default();
    batch.begin();
    let mark = batch.add_destination(0, to, sys::segment_max(link.socket()));
    let mut at = 0;
    for datagram in datagrams {
        batch.add(mark.group(), &(at..at + datagram.len()));
        at += datagram.len();
    }
    assert_eq!(batch.send(link, &bytes, 0..1), 0);
    assert_eq!(batch.unsent().count(), 0);
    assert_eq!(batch.destinations()[0].bytes, bytes.len() as u64);
    batch.destinations()[0].segment_max
}

/// One length after the other, equal ones side by side, none longer than a run may be.
fn mixed() -> Vec<Vec<u8>> {
    let lengths = [
        512, 512, 512, 100, 512, 0, 0, 1, 1_472, 1_472, 1_472, 1_472, 7, 7, 8, 8, 0, 9_000, 9_000,
        9_000, 33_000, 33_000, 33_001, 3,
    ];
    let many = std::iter::repeat_n(512, 150);
    let lengths = lengths.into_iter().chain(many).enumerate();
    lengths
        .map(|(number, length)| datagram(number, length))
        .collect()
}

#[test]
fn datagrams_of_one_batch_arrive_whole_and_in_order() {
    run(|shard| async move {
        let receiver = bound(&shard, LOOPBACK);
        let to = receiver.address().expect("bound");
        let connected = UdpLink::connect(&shard, to).expect("loopback");
        send(&connected, None, &mixed());
        assert_eq!(receive(&shard, &receiver, mixed().len()).await.0, mixed());
        let free = bound(&shard, LOOPBACK);
        send(&free, Some(to), &mixed());
        assert_eq!(receive(&shard, &receiver, mixed().len()).await.0, mixed());
    });
}

#[test]
fn datagrams_of_one_batch_arrive_over_ipv6() {
    run(|shard| async move {
        let loopback = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        if std::net::UdpSocket::bind(loopback).is_err() {
            eprintln!("skipped: no IPv6 loopback");
            return;
        }
        let receiver = bound(&shard, loopback);
        let to = receiver.address().expect("bound");
        let sender = bound(&shard, loopback);
        send(&sender, Some(to), &mixed());
        assert_eq!(receive(&shard, &receiver, mixed().len()).await.0, mixed());
    });
}

#[test]
fn the_largest_and_the_empty_datagram_arrive() {
    run(|shard| async move {
        let receiver = bound(&shard, LOOPBACK);
        let to = receiver.address().expect("bound");
        let sender = UdpLink::connect(&shard, to).expect("loopback");
        let sizes = [65_507, 0, 65_507, 65_507, 1, 0, 65_506];
        let all: Vec<_> = sizes.map(|length| datagram(length, length)).into();
        send(&sender, None, &all);
        assert_eq!(receive(&shard, &receiver, all.len()).await.0, all);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn equal_datagrams_travel_as_one_message() {
    run(|shard| async move {
        let receiver = bound(&shard, LOOPBACK);
        let sender = UdpLink::connect(&shard, receiver.address().expect("bound")).expect("it is");
        let all: Vec<_> = (0..64).map(|number| datagram(number, 700)).collect();
        send(&sender, None, &all);
        let (came, joined) = receive(&shard, &receiver, all.len()).await;
        assert_eq!(came, all);
        assert_eq!(joined, 64);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn runs_that_the_system_does_not_cut_go_one_by_one_from_then_on() {
    run(|shard| async move {
        let receiver = bound(&shard, LOOPBACK);
        let sender = UdpLink::connect(&shard, receiver.address().expect("bound")).expect("it is");
        sys::refuse_segments(sender.socket());
        let lengths = [500, 500, 500, 0, 300, 300, 20, 500, 500];
        let all: Vec<_> = lengths.map(|length| datagram(length, length)).into();
        assert!(send(&sender, None, &all) < 300);
        assert_eq!(receive(&shard, &receiver, all.len()).await.0, all);
    });
}

#[test]
fn what_found_no_room_is_told_with_its_destination() {
    let (one, other) = (SocketAddr::from(([127, 0, 0, 1], 1)), LOOPBACK);
    let mut batch = Batch::default();
    batch.begin();
    let marks = [one, other].map(|to| batch.add_destination(0, Some(to), u16::MAX));
    for (index, range) in [(0, 0..4), (1, 4..5), (0, 5..9), (0, 9..11)] {
        assert_eq!(batch.group_of(marks[index]), Some(marks[index].group()));
        batch.add(marks[index].group(), &range);
    }
    batch.hold(0..2);
    let unsent = batch
        .unsent()
        .map(|(destination, place)| (destination.to, place));
    let unsent: Vec<_> = unsent.collect();
    let expected = [(one, 0..4), (one, 5..9), (one, 9..11), (other, 4..5)];
    assert_eq!(unsent, expected.map(|(to, place)| (Some(to), place)));
    batch.begin();
    assert_eq!(batch.group_of(marks[0]), None);
}

#[test]
fn an_error_of_an_earlier_datagram_costs_no_other() {
    run(|shard| async move {
        let gone = bound(&shard, LOOPBACK);
        let to = gone.address().expect("bound");
        let sender = UdpLink::connect(&shard, to).expect("loopback");
        drop(gone);
        // Each is refused, and the next call hears of it.
        for number in 0..4 {
            send(&sender, None, &[datagram(number, 10), datagram(number, 11)]);
            sender.send(b"single", None).expect("the second time");
        }
        let back = bound(&shard, to);
        send(&sender, None, &mixed());
        assert_eq!(receive(&shard, &back, mixed().len()).await.0, mixed());
    });
}
