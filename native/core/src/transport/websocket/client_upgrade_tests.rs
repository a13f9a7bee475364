//! What a client asks, and what it takes for an answer.

use std::sync::Arc;

use super::{ClientUpgrade, host_header};
use crate::reason::EndReason;
use crate::spec::{HostPort, WebsocketSpec};
use crate::transport::codec::{Codec, Handshake, Place, Refused, Step};
use crate::transport::websocket::upgrade::{HEAD_MAX, accept};

fn spec(path: &str, headers: &[(&str, &str)]) -> Arc<WebsocketSpec> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Arc::new(WebsocketSpec {
        path: path.to_owned(),
        headers: headers.iter().map(own).collect(),
    })
}

fn at(host: &str, port: u16) -> HostPort {
    let host = host.to_owned();
    HostPort { host, port }
}

fn client() -> ClientUpgrade {
    ClientUpgrade::new(spec("/", &[]), &at("example.com", 2333), false)
}

/// The request, and the answer to its key.
fn begin(client: &mut ClientUpgrade) -> (String, String) {
    let mut out = Vec::new();
    let step = client.advance(&mut Vec::new(), &mut out);
    assert!(matches!(step, Ok(Step::Wait)));
    let request = String::from_utf8(out).expect("text");
    let key = request.split("Sec-WebSocket-Key: ").nth(1).expect("a key");
    let key = key.split("\r\n").next().expect("its end");
    let answer = accept(key.as_bytes());
    (request, answer)
}

/// What the client makes of an answer, in which `{}` is that to its key.
fn answered(text: &str) -> Result<Step, Refused> {
    let mut client = client();
    let (_, accept) = begin(&mut client);
    let mut came = text.replace("{}", &accept).into_bytes();
    client.advance(&mut came, &mut Vec::new())
}

fn refusal(text: &str) -> String {
    match answered(text) {
        Ok(_) => panic!("taken: {text}"),
        Err(Refused { reason, text }) => {
            assert_eq!(reason, EndReason::UpgradeRefused);
            text
        }
    }
}

/// Whether the codec takes the peer for one of ours.
fn is_ours(codec: &mut dyn Codec) -> bool {
    let mut pong = Vec::new();
    let opened = codec.open(&mut [0x89, 0], &mut Vec::new(), &mut pong);
    opened.is_ok() && !pong.is_empty()
}

fn is_ours_after(text: &str) -> bool {
    match answered(text) {
        Ok(Step::Done(Some(mut codec))) => is_ours(&mut *codec),
        Ok(_) => panic!("not done: {text}"),
        Err(refused) => panic!("{refused:?}"),
    }
}

const OK: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\
                  upgrade: websocket\r\nsec-websocket-accept: {}\r\n";

#[test]
fn the_request_is_rathole_s_and_ours() {
    let (request, _) = begin(&mut client());
    let lines: Vec<&str> = request.split("\r\n").collect();
    assert_eq!(
        lines[..5],
        [
            "GET / HTTP/1.1",
            "Host: example.com:2333",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
        ]
    );
    let key = lines[5].strip_prefix("Sec-WebSocket-Key: ").expect("a key");
    assert!(key.len() == 24 && key.ends_with("=="), "{key}");
    assert_eq!(lines[6..], ["X-Warren: 1", "", ""]);
    let (other, _) = begin(&mut client());
    assert_ne!(request, other, "every connection has a key of its own");
}

#[test]
fn w36_path_and_headers_are_the_operator_s() {
    let headers = [
        ("Authorization", "Basic eDp5"),
        ("host", "cdn.example"),
        ("A", "b"),
    ];
    let mut client = ClientUpgrade::new(spec("/tunnel?x=1", &headers), &at("1.2.3.4", 80), false);
    let (request, _) = begin(&mut client);
    assert!(request.starts_with("GET /tunnel?x=1 HTTP/1.1\r\nHost: cdn.example\r\nConnection: "));
    let end = "X-Warren: 1\r\nAuthorization: Basic eDp5\r\nA: b\r\n\r\n";
    assert!(request.ends_with(end), "{request}");
    assert!(!request.contains("1.2.3.4"));
}

#[test]
fn host_has_no_port_where_it_is_the_scheme_s() {
    assert_eq!(host_header(&at("LocalHost", 80), false), "localhost");
    assert_eq!(host_header(&at("LocalHost", 80), true), "localhost:80");
    assert_eq!(host_header(&at("a.example", 443), true), "a.example");
    assert_eq!(host_header(&at("a.example", 443), false), "a.example:443");
    assert_eq!(host_header(&at("::1", 2333), false), "[::1]:2333");
    assert_eq!(host_header(&at("::1", 80), false), "[::1]");
    assert_eq!(host_header(&at("a.example", 8080), false), "a.example:8080");
}

#[test]
fn peers_are_told_apart() {
    assert!(!is_ours_after(&format!("{OK}\r\n")));
    assert!(is_ours_after(&format!("{OK}x-warren: 1\r\n\r\n")));
    assert!(!is_ours_after(&format!("{OK}x-warren: 0\r\n\r\n")));
}

#[test]
fn w36_answers_of_intermediaries_are_taken() {
    let nginx = "HTTP/1.1 101 Switching Protocols\r\nServer: nginx\r\nConnection: upgrade\r\n\
                 Upgrade: WebSocket\r\nSec-WebSocket-Accept: {}\r\nX-Warren: 1\r\n\r\n";
    assert!(is_ours_after(nginx));
    let list = OK.replace("connection: Upgrade", "Connection: keep-alive, Upgrade");
    assert!(!is_ours_after(&format!("{list}\r\n")));
}

#[test]
fn what_follows_the_head_is_the_codec_s() {
    let mut client = client();
    let (_, accept) = begin(&mut client);
    let text = format!("{}\r\n", OK.replace("{}", &accept));
    let came = [text.as_bytes(), &[0x82, 3], b"abc\x82"].concat();
    // Byte by byte, then whole.
    for length in 0..text.len() - 1 {
        let mut some = came[..length].to_vec();
        let step = client.advance(&mut some, &mut Vec::new());
        assert!(matches!(step, Ok(Step::Wait)), "{length}");
        assert_eq!(some.len(), length);
    }
    let mut came = came;
    let step = client.advance(&mut came, &mut Vec::new());
    let Ok(Step::Done(Some(mut codec))) = step else {
        panic!("not done");
    };
    let opened = codec
        .open(&mut came, &mut Vec::new(), &mut Vec::new())
        .expect("a frame");
    assert_eq!(opened.plain, Place::Buffer(2..5));
}

#[test]
fn w4_another_status_is_a_refusal_that_names_it() {
    let text = refusal("HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\n\r\n<html>");
    assert!(
        text.starts_with("502 Bad Gateway: the server or the proxy in front of it"),
        "{text}"
    );
    let text = refusal("HTTP/1.1 301 Moved\r\nLocation: https://x.example/\r\n\r\n");
    assert!(
        text.contains("301 Moved") && text.contains("https://x.example/"),
        "{text}"
    );
    assert!(refusal("HTTP/1.0 200 OK\r\n\r\n").starts_with("200 OK"));
    assert!(refusal("HTTP/1.1 404\r\n\r\n").starts_with("404: "));
}

#[test]
fn an_answer_that_is_no_upgrade_is_refused() {
    for (found, instead, named) in [
        ("upgrade: websocket", "upgrade: h2c", "Upgrade: websocket"),
        ("upgrade: websocket", "x: y", "Upgrade: websocket"),
        (
            "connection: Upgrade",
            "connection: close",
            "Connection: Upgrade",
        ),
        ("connection: Upgrade", "x: y", "Connection: Upgrade"),
        ("{}", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "not the answer"),
        (
            "sec-websocket-accept: {}",
            "x: y",
            "without Sec-WebSocket-Accept",
        ),
    ] {
        let text = refusal(&format!("{}\r\n", OK.replace(found, instead)));
        assert!(text.starts_with("101 Switching Protocols, but "), "{text}");
        assert!(text.contains(named), "{text}");
    }
}

#[test]
fn what_is_not_http_is_refused_at_once() {
    for text in ["\x15\x03\x01", "SSH-2.0", "HTTP/2", "h"] {
        assert!(refusal(text).contains("not HTTP/1.1"), "{text:?}");
    }
    let many: String = (0..65).map(|at| format!("a{at}: b\r\n")).collect();
    refusal(&format!("HTTP/1.1 101 OK\r\n{many}\r\n"));
    refusal("HTTP/1.1 abc\r\n\r\n");
    refusal("HTTP/1.1 101 OK\r\n: x\r\n\r\n");
}

#[test]
fn an_answer_without_end_is_refused() {
    let endless = format!("HTTP/1.1 101 OK\r\nA: {}", "a".repeat(HEAD_MAX));
    assert!(refusal(&endless).contains("longer than 16384"));
}
