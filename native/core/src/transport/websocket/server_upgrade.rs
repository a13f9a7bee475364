//! The server's half of the upgrade: what must be true of the request, and the response.

use std::sync::Arc;

use httparse::{Request, Status};

use crate::spec::WebsocketSpec;
use crate::transport::codec::{Handshake, Refused, Step};
use crate::transport::http_head::{HEADERS_MAX, HeadEnd, NO_HEADERS, has_token, values};
use crate::transport::websocket::Role;
use crate::transport::websocket::frames::Frames;
use crate::transport::websocket::upgrade::{HEAD_MAX, NAME, OURS, accept, refused};

pub(super) struct ServerUpgrade {
    spec: Arc<WebsocketSpec>,
    end: HeadEnd,
}

/// A request that is not for us: how it is answered, and why.
struct Bad {
    /// Status line and headers of its own.
    answer: &'static str,
    text: String,
}

const BAD_REQUEST: &str = "400 Bad Request\r\n";
const NOT_FOUND: &str = "404 Not Found\r\n";
const METHOD_NOT_ALLOWED: &str = "405 Method Not Allowed\r\nallow: GET\r\n";
const UPGRADE_REQUIRED: &str =
    "426 Upgrade Required\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n";

impl ServerUpgrade {
    pub(super) fn new(spec: Arc<WebsocketSpec>) -> Self {
        let end = HeadEnd::new(HEAD_MAX);
        Self { spec, end }
    }

    /// The length of the head, the key's answer, and whether the client is ours; `None`: it has
    /// not come as a whole.
    fn read(&mut self, came: &[u8]) -> Result<Option<(usize, String, bool)>, Bad> {
        // A method is upper case. What begins otherwise (a TLS hello) may never end a line.
        let is_http = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'\r' | b'\n');
        if !came.first().is_none_or(is_http) {
            return Err(bad(
                BAD_REQUEST,
                "the client speaks something that is not HTTP/1.1",
            ));
        }
        let Ok(end) = self.end.find(came) else {
            let text = format!("the head of the request is longer than {HEAD_MAX} bytes");
            return Err(bad(BAD_REQUEST, text));
        };
        let Some(end) = end else {
            return Ok(None);
        };
        let (accept, ours) = check(&came[..end], &self.spec.path)?;
        Ok(Some((end, accept, ours)))
    }
}

impl Handshake for ServerUpgrade {
    fn advance(&mut self, came: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, Refused> {
        match self.read(came) {
            Ok(None) => Ok(Step::Wait),
            Ok(Some((end, accept, ours))) => {
                came.drain(..end);
                let text = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\
                     upgrade: websocket\r\nsec-websocket-accept: {accept}\r\n"
                );
                out.extend_from_slice(text.as_bytes());
                if ours {
                    out.extend_from_slice(b"x-warren: 1\r\n");
                }
                out.extend_from_slice(b"\r\n");
                Ok(Step::Done(Some(Box::new(Frames::new(Role::Server, ours)))))
            }
            Err(Bad { answer, text }) => {
                let connection = if answer == UPGRADE_REQUIRED {
                    "upgrade, close"
                } else {
                    "close"
                };
                let head = format!(
                    "HTTP/1.1 {answer}connection: {connection}\r\ncontent-length: 0\r\n\r\n"
                );
                out.extend_from_slice(head.as_bytes());
                Err(refused(text))
            }
        }
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn is_costly(&self) -> bool {
        false
    }
}

/// The answer to the client's key, and whether the client is ours. Host, Origin and offers of
/// subprotocols and extensions are nothing to us.
fn check(head: &[u8], path: &str) -> Result<(String, bool), Bad> {
    let mut headers = NO_HEADERS;
    let mut request = Request::new(&mut headers);
    match request.parse(head) {
        Ok(Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => {
            let text = format!("the request has more than {HEADERS_MAX} headers");
            return Err(bad(BAD_REQUEST, text));
        }
        _ => return Err(bad(BAD_REQUEST, "not an HTTP request that we can read")),
    }
    if request.method != Some("GET") {
        let method: String = request
            .method
            .unwrap_or_default()
            .chars()
            .take(20)
            .collect();
        return Err(bad(
            METHOD_NOT_ALLOWED,
            format!("the request's method is {method}, not GET"),
        ));
    }
    if request.version != Some(1) {
        return Err(bad(
            BAD_REQUEST,
            "the request is of HTTP/1.0, which has no upgrade",
        ));
    }
    let target = request.path.unwrap_or_default();
    if path != "/" && target != path && target.split('?').next() != Some(path) {
        let shown: String = target.chars().take(200).collect();
        return Err(bad(
            NOT_FOUND,
            format!("the client wants {shown}, here is {path} only"),
        ));
    }
    let headers = &*request.headers;
    if !has_token(headers, "upgrade", "websocket") || !has_token(headers, "connection", "upgrade") {
        return Err(bad(
            UPGRADE_REQUIRED,
            "the request does not ask for a WebSocket",
        ));
    }
    if values(headers, "sec-websocket-version").next() != Some(b"13") {
        return Err(bad(
            UPGRADE_REQUIRED,
            "the request is not of WebSocket version 13",
        ));
    }
    match values(headers, "sec-websocket-key").next() {
        Some(key) if !key.is_empty() => Ok((accept(key), has_token(headers, OURS, "1"))),
        _ => Err(bad(BAD_REQUEST, "the request has no Sec-WebSocket-Key")),
    }
}

fn bad(answer: &'static str, text: impl Into<String>) -> Bad {
    let text = text.into();
    Bad { answer, text }
}

#[cfg(test)]
#[path = "server_upgrade_tests.rs"]
mod tests;
