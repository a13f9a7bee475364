//! The client's half of the upgrade: the request, and what must be true of the response.

use std::sync::Arc;

use httparse::{Response, Status};
use ring::rand::{SecureRandom, SystemRandom};

use crate::listen::format_address;
use crate::spec::{HostPort, WebsocketSpec};
use crate::transport::codec::{Handshake, Refused, Step};
use crate::transport::http_head::{HeadEnd, NO_HEADERS, has_token, status, values};
use crate::transport::websocket::Role;
use crate::transport::websocket::frames::Frames;
use crate::transport::websocket::upgrade::{HEAD_MAX, NAME, OURS, accept, key, refused};

pub(super) struct ClientUpgrade {
    spec: Arc<WebsocketSpec>,
    /// The header, unless the spec has one.
    host: String,
    /// What the server has to answer to our key; `None`: we have not asked yet.
    expected: Option<String>,
    end: HeadEnd,
}

impl ClientUpgrade {
    pub(super) fn new(spec: Arc<WebsocketSpec>, remote: &HostPort, over_tls: bool) -> Self {
        Self {
            spec,
            host: host_header(remote, over_tls),
            expected: None,
            end: HeadEnd::new(HEAD_MAX),
        }
    }

    fn request(&self, key: &str) -> String {
        let is_host = |name: &str| name.eq_ignore_ascii_case("host");
        let mut headers = self.spec.headers.iter();
        let host = headers.find(|(name, _)| is_host(name));
        let host = host.map_or(self.host.as_str(), |(_, value)| value.as_str());
        let mut text = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{OURS}: 1\r\n",
            self.spec.path
        );
        for (name, value) in &self.spec.headers {
            if !is_host(name) {
                text += &format!("{name}: {value}\r\n");
            }
        }
        text + "\r\n"
    }
}

impl Handshake for ClientUpgrade {
    fn advance(&mut self, came: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, Refused> {
        let expected = match &self.expected {
            Some(expected) => expected,
            None => {
                let mut nonce = [0; 16];
                if SystemRandom::new().fill(&mut nonce).is_err() {
                    return Err(refused("the system has no random numbers"));
                }
                let key = key(nonce);
                out.extend_from_slice(self.request(&key).as_bytes());
                self.expected.insert(accept(key.as_bytes()))
            }
        };
        let start = b"HTTP/1.";
        let known = came.len().min(start.len());
        if came[..known] != start[..known] {
            return Err(refused(
                "the server answers in something that is not HTTP/1.1",
            ));
        }
        let Ok(end) = self.end.find(came) else {
            return Err(refused(format!(
                "the head of the server's answer is longer than {HEAD_MAX} bytes"
            )));
        };
        let Some(end) = end else {
            return Ok(Step::Wait);
        };
        let ours = check(&came[..end], expected)?;
        came.drain(..end);
        Ok(Step::Done(Some(Box::new(Frames::new(Role::Client, ours)))))
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn is_costly(&self) -> bool {
        false
    }
}

/// Whether the server is ours.
fn check(head: &[u8], expected: &str) -> Result<bool, Refused> {
    let mut headers = NO_HEADERS;
    let mut response = Response::new(&mut headers);
    if !matches!(response.parse(head), Ok(Status::Complete(_))) {
        return Err(refused(
            "the server's answer is no HTTP response that we can read",
        ));
    }
    let status = status(&response);
    let headers = &*response.headers;
    if response.code != Some(101) {
        let mut text = format!(
            "{status}: the server or the proxy in front of it answered the WebSocket upgrade"
        );
        let location = values(headers, "location").next();
        if let Some(location) = location.and_then(|it| std::str::from_utf8(it).ok()) {
            let shown: String = location.chars().take(200).collect();
            text += &format!(" (it points to {shown})");
        }
        return Err(refused(text));
    }
    let wrong = |what: &str| Err(refused(format!("{status}, but {what}")));
    if !has_token(headers, "upgrade", "websocket") {
        return wrong("without `Upgrade: websocket`");
    }
    if !has_token(headers, "connection", "upgrade") {
        return wrong("without `Connection: Upgrade`");
    }
    match values(headers, "sec-websocket-accept").next() {
        Some(found) if found == expected.as_bytes() => {}
        Some(_) => return wrong("Sec-WebSocket-Accept is not the answer to our key"),
        None => return wrong("without Sec-WebSocket-Accept"),
    }
    Ok(has_token(headers, OURS, "1"))
}

/// The port is left out where it is the scheme's own.
fn host_header(remote: &HostPort, over_tls: bool) -> String {
    let mut text = format_address(remote).to_ascii_lowercase();
    let default = if over_tls { 443 } else { 80 };
    if remote.port == default {
        text.truncate(text.len() - format!(":{default}").len());
    }
    text
}

#[cfg(test)]
#[path = "client_upgrade_tests.rs"]
mod tests;
