//! The race against real listeners: that answer, that refuse, that are silent.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;

use super::{DialError, DialOptions, connect_text, dial};
use crate::client_scene::{Refusing, Silent};
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::HostPort;
use crate::task::Cancelled;
use crate::tcp_socket::StreamOptions;
use crate::testing::run;

fn options() -> DialOptions {
    DialOptions {
        timeout_ms: 10_000,
        prefer_ipv6: false,
        stream: StreamOptions::PLAIN,
        first: None,
    }
}

fn to(address: SocketAddr) -> HostPort {
    HostPort {
        host: address.ip().to_string(),
        port: address.port(),
    }
}

fn name(host: &str, port: u16) -> HostPort {
    HostPort {
        host: host.to_owned(),
        port,
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// What came of it: the peer, or what was tried and the code; and that no socket is left over.
async fn outcome(shard: &Rc<Shard>, to: &HostPort, options: &DialOptions) -> Outcome {
    let before = shard.reactor.count();
    let dialled = dial(shard, to, options).await;
    let outcome = match &dialled {
        Ok((link, peer)) => {
            assert_eq!(link.peer().expect("it is connected"), *peer);
            assert!(link.is_writable());
            assert_eq!(shard.reactor.count(), before + 1);
            Ok(*peer)
        }
        Err(DialError::Failed { tried, error }) => {
            let code = error.clone().and_then(|error| error.code);
            Err((tried.clone(), code.unwrap_or_default()))
        }
        Err(DialError::Refused(refused)) => panic!("no handshake here: {}", refused.text),
        Err(DialError::Cancelled(Cancelled(reason))) => panic!("cancelled: {reason:?}"),
    };
    drop(dialled);
    assert_eq!(shard.reactor.count(), before);
    outcome
}

type Outcome = Result<SocketAddr, (String, String)>;

fn dialled(to: HostPort, options: DialOptions) -> Outcome {
    run(|shard| async move { outcome(&shard, &to, &options).await })
}

#[test]
fn connects_to_a_literal() {
    let (_listener, address) = listener();
    assert_eq!(dialled(to(address), options()), Ok(address));
}

#[test]
fn connects_to_a_name() {
    let (_listener, address) = listener();
    assert_eq!(
        dialled(name("localhost", address.port()), options()),
        Ok(address)
    );
}

#[test]
fn a_refused_dial_is_worded_as_node_words_it() {
    let refusing = Refusing::open();
    let address = refusing.address;
    let (tried, code) = dialled(to(address), options()).expect_err("nobody listens");
    assert_eq!(tried, format!("connect ECONNREFUSED {address}"));
    assert_eq!(code, "ECONNREFUSED");
    let text = connect_text(&name("::1", 7), &tried);
    assert_eq!(
        text,
        format!("cannot connect to [::1]:7: connect ECONNREFUSED {address}")
    );
}

#[test]
fn tries_the_name_when_the_first_address_refuses() {
    let refusing = Refusing::open();
    let refuses = refusing.address;
    let (_listener, address) = listener();
    let first = DialOptions {
        first: Some(refuses),
        ..options()
    };
    assert_eq!(dialled(to(address), first), Ok(address));
    let first = DialOptions {
        first: Some(refuses),
        ..options()
    };
    assert_eq!(
        dialled(name("localhost", address.port()), first),
        Ok(address)
    );
}

#[test]
fn does_not_ask_the_resolver_when_the_first_address_answers() {
    let (_listener, address) = listener();
    let first = DialOptions {
        first: Some(address),
        ..options()
    };
    assert_eq!(dialled(name("nohost.invalid", 1), first), Ok(address));
}

#[test]
fn an_address_that_is_silent_does_not_hold_the_next_one_up() {
    let silent = Silent::open();
    let (_listener, address) = listener();
    let first = DialOptions {
        first: Some(silent.address),
        ..options()
    };
    assert_eq!(dialled(to(address), first), Ok(address));
}

#[test]
fn names_everything_that_was_tried() {
    let refusing = Refusing::open();
    let refuses = refusing.address;
    let first = DialOptions {
        first: Some(refuses),
        ..options()
    };
    let (tried, code) = dialled(name("nohost.invalid", 1), first).expect_err("there is nobody");
    let resolved = format!("cannot resolve nohost.invalid: getaddrinfo {code} nohost.invalid");
    assert_eq!(tried, format!("connect ECONNREFUSED {refuses}; {resolved}"));
}

#[test]
fn tries_an_address_once_though_it_is_known_twice() {
    let refusing = Refusing::open();
    let refuses = refusing.address;
    let first = DialOptions {
        first: Some(refuses),
        ..options()
    };
    let (tried, _) = dialled(to(refuses), first).expect_err("nobody listens");
    assert_eq!(tried, format!("connect ECONNREFUSED {refuses}"));
}

#[test]
fn gives_up_in_time() {
    let silent = Silent::open();
    let short = DialOptions {
        timeout_ms: 40,
        ..options()
    };
    let (tried, code) = dialled(to(silent.address), short).expect_err("nobody answers");
    assert_eq!(
        (tried.as_str(), code.as_str()),
        ("no answer within 40 ms", "ETIMEDOUT")
    );
}

#[test]
fn gives_up_in_time_after_the_next_address_was_silent_too() {
    let (silent, other) = (Silent::open(), Silent::open());
    let short = DialOptions {
        timeout_ms: 400,
        first: Some(silent.address),
        ..options()
    };
    let (tried, _) = dialled(to(other.address), short).expect_err("nobody answers");
    assert_eq!(tried, "no answer within 400 ms");
}

#[test]
fn leaves_nothing_behind_when_it_is_cancelled() {
    let silent = Silent::open();
    let cancelled = run(move |shard| async move {
        let result = Rc::new(RefCell::new(None));
        let before = shard.reactor.count();
        let task = {
            let (shard, result) = (Rc::clone(&shard), Rc::clone(&result));
            let waiter = shard.tasks.current();
            let to = to(silent.address);
            shard.clone().spawn("dial", async move {
                let dialled = dial(&shard, &to, &options()).await;
                *result.borrow_mut() = Some(matches!(dialled, Err(DialError::Cancelled(_))));
                shard.tasks.wake(waiter);
            })
        };
        while shard.reactor.count() == before {
            shard.tasks.yield_now().await.expect("not cancelled");
        }
        shard.tasks.cancel(task, EndReason::Destroyed);
        while result.borrow().is_none() {
            shard.park(None).await.expect("not cancelled");
        }
        assert_eq!(shard.reactor.count(), before);
        result.take()
    });
    assert_eq!(cancelled, Some(true));
}

/// Where nobody listens, a socket that happens to get that very port connects to itself. A visitor
/// would hear its own bytes, and the local service could not start again.
#[test]
#[cfg(target_os = "linux")]
fn a_dial_does_not_connect_to_itself() {
    // One that connect() hands out: it goes through those of one parity first.
    let (_listener, address) = listener();
    let other = std::net::TcpStream::connect(address).expect("loopback connects");
    let nobody = other.local_addr().expect("an address");
    socket2::SockRef::from(&other)
        .set_linger(Some(std::time::Duration::ZERO))
        .expect("a socket");
    drop(other);
    let (peer, tries) = run(move |shard| async move {
        for tries in 1..=60_000 {
            if let Ok((link, peer)) = dial(&shard, &to(nobody), &options()).await {
                link.abort();
                return (Some(peer), tries);
            }
            if tries % 64 == 0 {
                shard.tasks.yield_now().await.expect("not cancelled");
            }
        }
        (None, 60_000)
    });
    assert_eq!(peer, None, "connected to nobody at try {tries}");
}
