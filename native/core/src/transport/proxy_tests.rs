//! Conversations with proxies, as the RFCs have them, in any chunking.

use proptest::prelude::*;

use super::handshake;
use crate::reason::EndReason;
use crate::spec::{HostPort, ProxySpec, ProxyType, Secret};
use crate::transport::codec::{Refused, Step};

fn at(host: &str, port: u16) -> HostPort {
    let host = host.to_owned();
    HostPort { host, port }
}

fn proxy(protocol: ProxyType, credentials: Option<(&str, &str)>) -> ProxySpec {
    let own = |(user, password): (&str, &str)| (user.to_owned(), Secret(password.to_owned()));
    ProxySpec {
        protocol,
        address: at("127.0.0.1", 3128),
        credentials: credentials.map(own),
    }
}

/// How a conversation went.
#[derive(Debug, PartialEq)]
struct Went {
    /// What we said, each time that it was something.
    said: Vec<Vec<u8>>,
    /// `Ok`: connected, with what is the server's; `None`: waiting.
    end: Option<Result<Vec<u8>, Refused>>,
}

impl Went {
    fn refusal(self) -> String {
        let refused = self.end.expect("an end").expect_err("a refusal");
        assert_eq!(refused.reason, EndReason::ProxyRefused);
        refused.text
    }
}

/// The proxy says everything in pieces of that length, however little we have said.
fn converse_in(piece: usize, proxy: &ProxySpec, server: &HostPort, wire: &[u8]) -> Went {
    let mut hand = handshake(proxy, server);
    let mut came = Vec::new();
    let mut said = Vec::new();
    let mut pieces = std::iter::once(&[][..]).chain(wire.chunks(piece));
    while let Some(next) = pieces.next() {
        came.extend_from_slice(next);
        let mut out = Vec::new();
        let step = hand.advance(&mut came, &mut out);
        if !out.is_empty() {
            said.push(out);
        }
        let end = match step {
            Ok(Step::Wait) => continue,
            Ok(Step::Done(codec)) => {
                assert!(codec.is_none(), "plain bytes");
                came.extend(pieces.flatten());
                Ok(came)
            }
            Err(refused) => Err(refused),
        };
        let end = Some(end);
        return Went { said, end };
    }
    Went { said, end: None }
}

/// The same, whatever the pieces are.
fn converse(proxy: &ProxySpec, server: &HostPort, wire: &[u8]) -> Went {
    let went = converse_in(usize::MAX, proxy, server, wire);
    for piece in [1, 2, 3, 5] {
        let other = converse_in(piece, proxy, server, wire);
        assert_eq!(other.end, went.end, "in pieces of {piece}");
        assert_eq!(other.said.concat(), went.said.concat());
    }
    went
}

fn http(credentials: Option<(&str, &str)>, wire: &str) -> Went {
    let server = at("tunnel.example", 2333);
    converse(
        &proxy(ProxyType::Http, credentials),
        &server,
        wire.as_bytes(),
    )
}

fn socks(credentials: Option<(&str, &str)>, server: &HostPort, wire: &[u8]) -> Went {
    converse(&proxy(ProxyType::Socks5, credentials), server, wire)
}

#[test]
fn connect_is_asked_as_rathole_asks() {
    let went = http(None, "HTTP/1.1 200 Connection established\r\n\r\nhello");
    let request = "CONNECT tunnel.example:2333 HTTP/1.1\r\nHost: tunnel.example:2333\r\n\
                   Proxy-Connection: Keep-Alive\r\n\r\n";
    assert_eq!(went.said, [request.as_bytes()]);
    assert_eq!(went.end, Some(Ok(b"hello".to_vec())), "not a byte is lost");
}

#[test]
fn credentials_are_basic_authentication_in_utf_8() {
    // The first is RFC 7617 2, the second 2.1.
    for (user, password, text) in [
        ("Aladdin", "open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("test", "123\u{a3}", "dGVzdDoxMjPCow=="),
        ("u", "", "dTo="),
    ] {
        let went = http(Some((user, password)), "HTTP/1.0 200 OK\r\n\r\n");
        let request = String::from_utf8(went.said.concat()).expect("text");
        let end = format!("Keep-Alive\r\nProxy-Authorization: Basic {text}\r\n\r\n");
        assert!(request.ends_with(&end), "{request}");
        assert_eq!(went.end, Some(Ok(Vec::new())));
    }
}

#[test]
fn literals_are_written_as_urls_have_them() {
    let spec = proxy(ProxyType::Http, None);
    for (host, text) in [("::1", "[::1]:443"), ("192.0.2.1", "192.0.2.1:443")] {
        let went = converse(&spec, &at(host, 443), b"");
        let request = String::from_utf8(went.said.concat()).expect("text");
        let begin = format!("CONNECT {text} HTTP/1.1\r\nHost: {text}\r\n");
        assert!(request.starts_with(&begin), "{request}");
        assert_eq!(went.end, None);
    }
}

#[test]
fn any_2xx_connects_and_nothing_else() {
    for status in ["200 OK", "204 No Content", "299 x"] {
        let went = http(
            None,
            &format!("HTTP/1.1 {status}\r\nContent-Length: 9\r\n\r\nserver's"),
        );
        assert_eq!(went.end, Some(Ok(b"server's".to_vec())), "{status}");
    }
    for status in [
        "101 x",
        "199 x",
        "300 x",
        "403 Forbidden",
        "502 Bad Gateway",
        "503 x",
    ] {
        let text = http(None, &format!("HTTP/1.1 {status}\r\n\r\n")).refusal();
        let expected = format!("{status}: the proxy does not connect to tunnel.example:2333");
        assert_eq!(text, expected);
    }
}

#[test]
fn a_proxy_that_wants_credentials_says_what_to_do() {
    let with = |scheme: &str| {
        format!(
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: {scheme}\r\n\r\n"
        )
    };
    let text = http(None, &with("Basic realm=\"x\"")).refusal();
    assert!(
        text.starts_with("407 Proxy Authentication Required: the proxy wants a user"),
        "{text}"
    );
    assert!(text.contains("http://user:password@"), "{text}");
    let text = http(Some(("u", "secret")), &with("basic realm=\"x\"")).refusal();
    assert!(
        text.contains("does not accept the user name and password"),
        "{text}"
    );
    assert!(!text.contains("secret"));
    let text = http(Some(("u", "p")), &with("NTLM")).refusal();
    assert!(text.contains("not \"basic\""), "{text}");
    let text = http(None, "HTTP/1.1 407 x\r\n\r\n").refusal();
    assert!(text.contains("wants a user name"), "{text}");
}

#[test]
fn an_http_proxy_s_answer_has_its_bounds() {
    assert!(http(None, "SSH-2.0-x\r\n").refusal().contains("not HTTP/1"));
    assert!(http(None, "\x05\x00").refusal().contains("not HTTP/1"));
    http(None, "HTTP/1.1 2x0\r\n\r\n").refusal();
    let head = |length: usize| {
        let padding = "x".repeat(length - "HTTP/1.1 200 OK\r\nA: \r\n\r\n".len());
        format!("HTTP/1.1 200 OK\r\nA: {padding}\r\n\r\n")
    };
    assert_eq!(http(None, &head(4096)).end, Some(Ok(Vec::new())));
    assert!(
        http(None, &head(4097))
            .refusal()
            .contains("longer than 4096")
    );
}

const GRANTED: [u8; 10] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

#[test]
fn socks_names_are_resolved_by_the_proxy() {
    let wire = [&[5, 0], &GRANTED[..], b"hello"].concat();
    let went = socks(None, &at("tunnel.example", 2333), &wire);
    let request = [&[5, 1, 0, 3, 14][..], b"tunnel.example", &[9, 29]].concat();
    assert_eq!(went.said.concat(), [&[5, 1, 0][..], &request].concat());
    assert_eq!(went.end, Some(Ok(b"hello".to_vec())), "not a byte is lost");
}

#[test]
fn socks_literals_are_addresses() {
    let wire = [&[5, 0], &GRANTED[..]].concat();
    let went = socks(None, &at("192.0.2.1", 80), &wire);
    assert_eq!(went.said.concat()[3..], [5, 1, 0, 1, 192, 0, 2, 1, 0, 80]);
    let went = socks(None, &at("2001:db8::1", 80), &wire);
    let address = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    assert_eq!(
        went.said.concat()[3..],
        [&[5, 1, 0, 4][..], &address, &[0, 80]].concat()
    );
}

#[test]
fn socks_credentials_are_given_when_asked_for() {
    let server = at("a", 1);
    let wire = [&[5, 2, 1, 0], &GRANTED[..]].concat();
    let went = socks(Some(("user", "p\u{e4}ss")), &server, &wire);
    let login = b"\x05\x02\x00\x02\x01\x04user\x05p\xc3\xa4ss";
    let request = [5, 1, 0, 3, 1, b'a', 0, 1];
    assert_eq!(went.said.concat(), [&login[..], &request].concat());
    assert_eq!(went.end, Some(Ok(Vec::new())));
    // A proxy that does not ask is not told.
    let wire = [&[5, 0], &GRANTED[..]].concat();
    let went = socks(Some(("user", "secret")), &server, &wire);
    assert_eq!(went.said.concat(), [&[5, 2, 0, 2][..], &request].concat());
}

#[test]
fn every_form_of_socks_reply_has_its_length() {
    let replies = [
        GRANTED.to_vec(),
        [&[5, 0, 0, 4][..], &[1; 16], &[0, 1]].concat(),
        [&[5, 0, 0, 3, 0][..], &[0, 1]].concat(),
        [&[5, 0, 0, 3, 255][..], &[b'x'; 255], &[0, 1]].concat(),
    ];
    for reply in replies {
        let wire = [&[5, 0], &reply[..]].concat();
        let short = socks(None, &at("a", 1), &wire[..wire.len() - 1]);
        assert_eq!(short.end, None);
        let went = socks(None, &at("a", 1), &[&wire[..], b"\x05x"].concat());
        assert_eq!(went.end, Some(Ok(b"\x05x".to_vec())));
    }
}

#[test]
fn socks_refusals_are_told_in_words() {
    let server = at("tunnel.example", 2333);
    for (code, words) in [
        (1, "general failure"),
        (2, "its rules do not allow it"),
        (3, "network unreachable"),
        (4, "host unreachable"),
        (5, "connection refused"),
        (6, "time to live expired"),
        (7, "it does not support CONNECT"),
        (8, "it does not support that type of address"),
        (9, "code 9"),
    ] {
        let text = socks(None, &server, &[5, 0, 5, code]).refusal();
        let expected = format!("the proxy does not connect to tunnel.example:2333: {words}");
        assert_eq!(text, expected);
    }
    let given = Some(("user", "secret"));
    for (credentials, wire, words) in [
        (None, &[5, 255][..], "wants authentication"),
        (given, &[5, 255], "takes neither"),
        (
            given,
            &[5, 2, 1, 1],
            "does not accept user name and password",
        ),
        (None, &[5, 2], "method 2, which was not offered"),
        (given, &[5, 1], "method 1, which was not offered"),
        (None, b"HTTP/1.1 400", "speaks HTTP"),
        (None, &[0, 90], "does not speak SOCKS 5"),
        (None, &[4], "does not speak SOCKS 5"),
        (None, &[5, 0, 0, 0], "does not speak SOCKS 5"),
        (None, &[5, 0, 5, 0, 0, 2], "unknown type 2"),
    ] {
        let text = socks(credentials, &server, wire).refusal();
        assert!(text.contains(words), "{text}");
        assert!(!text.contains("secret"));
    }
}

#[test]
fn what_socks_has_no_room_for_is_refused_unsaid() {
    let long = "x".repeat(256);
    let fits = "x".repeat(255);
    for (credentials, host) in [
        (Some((long.as_str(), "p")), "a"),
        (Some(("u", long.as_str())), "a"),
        (None, long.as_str()),
    ] {
        let went = socks(credentials, &at(host, 1), b"");
        assert!(went.said.is_empty());
        assert!(went.refusal().contains("256 bytes"));
    }
    let went = socks(Some((&fits, &fits)), &at(&fits, 1), &[5, 2, 1, 0]);
    assert_eq!(went.said.concat().len(), 4 + 3 + 510 + 7 + 255);
}

proptest! {
    #[test]
    fn rubbish_means_the_same_however_it_comes(
        is_http in any::<bool>(),
        credentials in any::<bool>(),
        good in 0..14_usize,
        rubbish in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let (protocol, begin) = if is_http {
            (ProxyType::Http, &b"HTTP/1.1 200 \r\n"[..])
        } else {
            (ProxyType::Socks5, &[5, 2, 1, 0, 5, 0, 0, 3, 4, 0, 0, 0, 0, 0][..])
        };
        let spec = proxy(protocol, credentials.then_some(("user", "password")));
        let wire = [&begin[..good], &rubbish[..]].concat();
        converse(&spec, &at("a", 1), &wire);
    }
}
