//! What a server takes for an upgrade, and what it answers.

use proptest::prelude::*;

use crate::reason::EndReason;
use crate::spec::{HostPort, WebsocketSpec};
use crate::transport::codec::{Handshake, Place, Refused, Step};
use crate::transport::websocket::Websocket;
use crate::transport::websocket::upgrade::HEAD_MAX;

fn websocket(path: &str) -> Websocket {
    Websocket::new(&WebsocketSpec {
        path: path.to_owned(),
        headers: Vec::new(),
    })
}

/// As rathole sends it; the key is that of RFC 6455 1.3.
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost:2333\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\
                        upgrade: websocket\r\n\
                        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// What was said to a request, and how it ended: `None`, the server waits for more.
fn said(path: &str, request: &[u8]) -> (String, Option<Result<(), Refused>>) {
    let mut out = Vec::new();
    let step = websocket(path)
        .server()
        .advance(&mut request.to_vec(), &mut out);
    let end = match step {
        Ok(Step::Wait) => None,
        Ok(Step::Done(codec)) => {
            assert!(codec.is_some());
            Some(Ok(()))
        }
        Err(refused) => Some(Err(refused)),
    };
    (String::from_utf8(out).expect("text"), end)
}

fn taken(path: &str, request: &str) -> String {
    let (said, end) = said(path, request.as_bytes());
    assert_eq!(end, Some(Ok(())), "{request}");
    said
}

/// Refused with that status; the text.
fn refusal(path: &str, request: &[u8], status: &str) -> String {
    let (said, end) = said(path, request);
    assert!(
        said.starts_with(&format!("HTTP/1.1 {status}\r\n")),
        "{said}"
    );
    assert!(said.ends_with("content-length: 0\r\n\r\n"), "{said}");
    assert!(said.contains("close\r\n"), "{said}");
    let refused = end.expect("an end").expect_err("a refusal");
    assert_eq!(refused.reason, EndReason::UpgradeRefused);
    refused.text
}

#[test]
fn rathole_s_request_gets_rathole_s_response() {
    assert_eq!(taken("/", REQUEST), format!("{RESPONSE}\r\n"));
}

#[test]
fn ours_are_answered_as_ours() {
    let ours = REQUEST.replace("\r\n\r\n", "\r\nX-Warren: 1\r\n\r\n");
    assert_eq!(taken("/", &ours), format!("{RESPONSE}x-warren: 1\r\n\r\n"));
    let other = REQUEST.replace("\r\n\r\n", "\r\nX-Warren: 2\r\n\r\n");
    assert_eq!(taken("/", &other), format!("{RESPONSE}\r\n"));
}

#[test]
fn requests_of_browsers_and_proxies_are_taken() {
    for (found, instead) in [
        ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        (
            "Connection: Upgrade",
            "Connection: keep-alive\r\nconnection: upgrade",
        ),
        ("Upgrade: websocket", "upgrade: WebSocket"),
        ("Host: localhost:2333\r\n", ""),
        ("GET / ", "GET /any/path?at=all "),
        (
            "\r\n\r\n",
            "\r\nOrigin: https://x\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        ),
        ("GET", "\r\nGET"),
    ] {
        let request = REQUEST.replace(found, instead);
        assert_eq!(taken("/", &request), format!("{RESPONSE}\r\n"), "{instead}");
    }
}

#[test]
fn a_configured_path_is_the_only_one() {
    let to = |target: &str| REQUEST.replace("GET / ", &format!("GET {target} "));
    taken("/tunnel", &to("/tunnel"));
    taken("/tunnel", &to("/tunnel?token=x"));
    for target in ["/", "/tunnel/", "/tunnel2", "/Tunnel", "/x/tunnel"] {
        let text = refusal("/tunnel", to(target).as_bytes(), "404 Not Found");
        assert!(text.contains(target) && text.contains("/tunnel"), "{text}");
    }
    // Whoever looks around learns no more there than from any web server.
    refusal(
        "/tunnel",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "404 Not Found",
    );
}

#[test]
fn other_requests_are_answered_and_refused() {
    for (found, instead, status) in [
        ("GET", "POST", "405 Method Not Allowed"),
        ("GET", "get", "400 Bad Request"),
        ("HTTP/1.1", "HTTP/1.0", "400 Bad Request"),
        ("HTTP/1.1", "HTTP/3.0", "400 Bad Request"),
        ("Connection: Upgrade\r\n", "", "426 Upgrade Required"),
        (
            "Connection: Upgrade",
            "Connection: close",
            "426 Upgrade Required",
        ),
        ("Upgrade: websocket\r\n", "", "426 Upgrade Required"),
        ("Upgrade: websocket", "Upgrade: h2c", "426 Upgrade Required"),
        ("Version: 13", "Version: 8", "426 Upgrade Required"),
        ("Sec-WebSocket-Version: 13\r\n", "", "426 Upgrade Required"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "", "400 Bad Request"),
        ("Sec-WebSocket-Key", "X", "400 Bad Request"),
        ("Host", "Ho st", "400 Bad Request"),
    ] {
        refusal("/", REQUEST.replace(found, instead).as_bytes(), status);
    }
    let (said, _) = said("/", b"GET / HTTP/1.1\r\n\r\n");
    assert!(
        said.contains("\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"),
        "{said}"
    );
}

#[test]
fn what_is_not_http_is_refused_at_its_first_byte() {
    for first in [0_u8, 22, b'a', 0xff] {
        let text = refusal("/", &[first], "400 Bad Request");
        assert!(text.contains("not HTTP/1.1"), "{text}");
    }
}

#[test]
fn a_head_has_its_bounds() {
    let headers = |count: usize| {
        let more: String = (0..count).map(|at| format!("A{at}: b\r\n")).collect();
        REQUEST.replace("Host", &format!("{more}Host"))
    };
    taken("/", &headers(59));
    let text = refusal("/", headers(60).as_bytes(), "400 Bad Request");
    assert!(text.contains("64 headers"), "{text}");

    let padded = |length: usize| {
        let padding = "x".repeat(length - REQUEST.len() - "A: \r\n".len());
        REQUEST.replace("Host", &format!("A: {padding}\r\nHost"))
    };
    taken("/", &padded(HEAD_MAX));
    let text = refusal("/", padded(HEAD_MAX + 1).as_bytes(), "400 Bad Request");
    assert!(text.contains("longer than 16384"), "{text}");
    let (said, end) = said("/", &padded(HEAD_MAX).as_bytes()[..HEAD_MAX - 1]);
    assert!(said.is_empty() && end.is_none());
}

/// Both ends, what each says coming to the other in pieces of that length; what follows the heads
/// at once comes through.
fn converse(piece: usize, over_tls: bool) {
    let remote = HostPort {
        host: "localhost".to_owned(),
        port: 2333,
    };
    let websocket = websocket("/x");
    let (mut client, mut server) = (websocket.client(&remote, over_tls), websocket.server());
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    assert!(matches!(
        client.advance(&mut Vec::new(), &mut to_server),
        Ok(Step::Wait)
    ));
    assert!(matches!(
        server.advance(&mut Vec::new(), &mut to_client),
        Ok(Step::Wait)
    ));
    let feed = |hand: &mut dyn Handshake, wire: &[u8], out: &mut Vec<u8>| {
        let mut came = Vec::new();
        let mut pieces = wire.chunks(piece);
        loop {
            let next = pieces.next().expect("done before the end");
            came.extend_from_slice(next);
            if let Step::Done(codec) = hand.advance(&mut came, out).expect("no refusal") {
                came.extend(pieces.flatten());
                return (codec.expect("a codec"), came);
            }
        }
    };
    to_server.extend_from_slice(&[0x82, 0x81, 0, 0, 0, 0, b'?']);
    let (mut server, mut came) = feed(&mut *server, &to_server, &mut to_client);
    let opened = server
        .open(&mut came, &mut Vec::new(), &mut Vec::new())
        .expect("a frame");
    assert_eq!(opened.plain, Place::Buffer(6..7));
    to_client.extend_from_slice(&[0x82, 1, b'!']);
    let (mut client, mut came) = feed(&mut *client, &to_client, &mut to_server);
    let opened = client
        .open(&mut came, &mut Vec::new(), &mut Vec::new())
        .expect("a frame");
    assert_eq!(opened.plain, Place::Buffer(2..3));
    assert_eq!(
        client.finish(&mut Vec::new()),
        Ok(true),
        "the server is ours"
    );
    assert_eq!(
        server.finish(&mut Vec::new()),
        Ok(true),
        "the client is ours"
    );
}

#[test]
fn both_ends_understand_each_other_in_any_pieces() {
    for piece in [1, 2, 3, 7, 100, 10_000] {
        converse(piece, false);
        converse(piece, true);
    }
}

proptest! {
    #[test]
    fn rubbish_is_refused_the_same_however_it_comes(
        keep in 0..REQUEST.len(),
        rubbish in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let wire = [&REQUEST.as_bytes()[..keep], &rubbish[..]].concat();
        let (whole, whole_end) = said("/", &wire);
        let (mut came, mut out) = (Vec::new(), Vec::new());
        let mut end = None;
        let mut server = websocket("/").server();
        for byte in &wire {
            came.push(*byte);
            match server.advance(&mut came, &mut out) {
                Ok(Step::Wait) => {}
                Ok(Step::Done(_)) => end = Some(Ok(())),
                Err(refused) => end = Some(Err(refused)),
            }
            if end.is_some() {
                break;
            }
        }
        prop_assert_eq!(whole.into_bytes(), out);
        prop_assert_eq!(whole_end, end);
    }
}
