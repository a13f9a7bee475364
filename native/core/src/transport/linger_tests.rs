//! What a refusal costs: nothing for who reads it and goes, a bounded while for who stays.

use std::io::{Read, Write};
use std::time::Duration;

use super::linger;
use crate::testing::run;
use crate::transport::scene::pair;

#[test]
fn what_the_peer_goes_on_sending_does_not_reset_it() {
    run(|shard| async move {
        let (mut peer, ours) = pair();
        let mut stream = mio::net::TcpStream::from_std(ours);
        peer.write_all(&[7; 50_000]).expect("writes");
        stream.write_all(b"no").expect("writes");
        stream.shutdown(std::net::Shutdown::Write).expect("FIN");
        let client = std::thread::spawn(move || {
            peer.set_nonblocking(false).expect("a socket");
            let mut got = [0; 2];
            peer.read_exact(&mut got).expect("the answer");
            // By now a connection that was closed is known to be.
            for _ in 0..20 {
                peer.write_all(&[7; 50_000]).expect("it is taken");
            }
            assert_eq!(peer.read(&mut got).expect("FIN"), 0);
        });
        let until = shard.after(20_000);
        linger(&shard, stream, until).await;
        assert!(until > Some(shard.now()), "until its FIN");
        assert_eq!(shard.reactor.count(), 0);
        client.join().expect("the client is content");
    });
}

#[test]
fn who_stays_is_closed_after_a_while() {
    let mut peer = run(|shard| async move {
        let (peer, ours) = pair();
        let stream = mio::net::TcpStream::from_std(ours);
        linger(&shard, stream, shard.after(20)).await;
        assert_eq!(shard.reactor.count(), 0);
        peer
    });
    peer.set_nonblocking(false).expect("a socket");
    let bound = Some(Duration::from_secs(20));
    peer.set_read_timeout(bound).expect("a socket");
    assert_eq!(peer.read(&mut [0]).expect("FIN"), 0);
}
