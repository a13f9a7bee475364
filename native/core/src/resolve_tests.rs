//! Literals, names that there are, and one that there is not.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Answer, Lookup, Ticket, literal, resolve};
use crate::reason::EndReason;
use crate::spec::HostPort;
use crate::task::Cancelled;
use crate::testing::run;

fn to(host: &str) -> HostPort {
    HostPort {
        host: host.to_owned(),
        port: 7,
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("a literal of the test")
}

#[test]
fn a_literal_is_itself() {
    assert_eq!(literal(&to("127.0.0.1")), Some(address("127.0.0.1:7")));
    assert_eq!(literal(&to("::1")), Some(address("[::1]:7")));
    assert_eq!(literal(&to("localhost")), None);
    assert_eq!(literal(&to("")), None);
}

#[test]
fn a_literal_keeps_its_zone() {
    assert_eq!(literal(&to("fe80::1%3")), Some(address("[fe80::1%3]:7")));
    assert_eq!(literal(&to("fe80::1%lo")), None);
    assert_eq!(literal(&to("127.0.0.1%3")), None);
}

/// The loopback interface is number 1 wherever it is called `lo`.
#[cfg(target_os = "linux")]
#[test]
fn a_zone_that_is_a_name_is_the_systems_to_know() {
    let answer = run(|shard| async move { resolve(&shard, &to("fe80::1%lo"), false).await });
    let SocketAddr::V6(address) = answer.expect("not cancelled").expect("an address")[0] else {
        panic!("an IPv6 address is wanted");
    };
    assert_eq!((address.scope_id(), address.port()), (1, 7));
}

#[test]
fn resolves_a_name_and_puts_the_port_in() {
    let answer = run(|shard| async move { resolve(&shard, &to("localhost"), false).await });
    let addresses = answer
        .expect("not cancelled")
        .expect("localhost has addresses");
    assert!(!addresses.is_empty());
    for address in addresses {
        assert!(address.ip().is_loopback());
        assert_eq!(address.port(), 7);
    }
}

#[test]
fn many_that_ask_for_one_name_are_all_answered() {
    let answered = run(|shard| async move {
        let lookups: Vec<_> = (0..100)
            .map(|_| Lookup::begin(&shard, &to("localhost"), false))
            .collect();
        while lookups.iter().any(|lookup| lookup.answer().is_none()) {
            shard.park(None).await.expect("not cancelled");
        }
        lookups
            .iter()
            .filter(|lookup| lookup.answer().is_some_and(|answer| answer.is_ok()))
            .count()
    });
    assert_eq!(answered, 100);
}

#[test]
fn says_as_node_says_that_a_name_is_unknown() {
    let answer = run(|shard| async move { resolve(&shard, &to("nohost.invalid"), false).await });
    let error = answer
        .expect("not cancelled")
        .expect_err(".invalid is reserved for this");
    // Without any name server the system cannot tell, and says so.
    let code = error.code.expect("a code");
    assert!(
        ["ENOTFOUND", "EAI_AGAIN"].contains(&code.as_str()),
        "{code}"
    );
    assert_eq!(error.message, format!("getaddrinfo {code} nohost.invalid"));
}

#[test]
fn ipv6_comes_first_when_it_is_preferred_and_the_order_stays_otherwise() {
    let answer: Answer = Ok(["127.0.0.2:0", "[::2]:0", "127.0.0.1:0", "[::1]:0"]
        .map(address)
        .into());
    let ticket = Arc::new(Ticket::from(Arc::new(answer)));
    let ask = |prefer_ipv6| {
        Lookup {
            ticket: Arc::clone(&ticket),
            port: 1,
            prefer_ipv6,
        }
        .answer()
    };
    let order = |texts: [&str; 4]| Some(Ok(texts.map(address).to_vec()));
    assert_eq!(
        ask(false),
        order(["127.0.0.2:1", "[::2]:1", "127.0.0.1:1", "[::1]:1"])
    );
    assert_eq!(
        ask(true),
        order(["[::2]:1", "[::1]:1", "127.0.0.2:1", "127.0.0.1:1"])
    );
}

#[test]
fn a_task_that_is_cancelled_does_not_wait() {
    let result = run(|shard| async move {
        shard
            .tasks
            .cancel(shard.tasks.current(), EndReason::Destroyed);
        resolve(&shard, &to("cancelled.invalid"), false).await
    });
    assert_eq!(result, Err(Cancelled(EndReason::Destroyed)));
}
