//! HTTP CONNECT (RFC 9110 9.3.6) with basic authentication (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use httparse::{Response, Status};

use crate::listen::format_address;
use crate::spec::{HostPort, ProxySpec, Secret};
use crate::transport::codec::{Handshake, Refused, Step};
use crate::transport::http_head::{HeadEnd, NO_HEADERS, status, values};
use crate::transport::proxy::refused;

/// Bytes that the head of the proxy's answer may have.
const HEAD_MAX: usize = 4096;

pub(super) struct HttpProxy {
    server: String,
    credentials: Option<(String, Secret<String>)>,
    asked: bool,
    end: HeadEnd,
}

impl HttpProxy {
    pub(super) fn new(proxy: &ProxySpec, server: &HostPort) -> Self {
        Self {
            server: format_address(server),
            credentials: proxy.credentials.clone(),
            asked: false,
            end: HeadEnd::new(HEAD_MAX),
        }
    }

    fn request(&self) -> String {
        let server = &self.server;
        let mut text = format!(
            "CONNECT {server} HTTP/1.1\r\nHost: {server}\r\nProxy-Connection: Keep-Alive\r\n"
        );
        if let Some((user, Secret(password))) = &self.credentials {
            let basic = STANDARD.encode(format!("{user}:{password}"));
            text += &format!("Proxy-Authorization: Basic {basic}\r\n");
        }
        text + "\r\n"
    }

    /// What a person has to know of an answer that is not 2xx.
    fn refusal(&self, response: &Response<'_, '_>) -> Refused {
        let status = status(response);
        let server = &self.server;
        if response.code != Some(407) {
            return refused(format!("{status}: the proxy does not connect to {server}"));
        }
        let is_basic = |value: &[u8]| {
            let scheme = value.get(..5);
            scheme.is_some_and(|it| it.eq_ignore_ascii_case(b"basic"))
        };
        let mut asks = values(response.headers, "proxy-authenticate").peekable();
        let does = if asks.peek().is_some() && !asks.any(is_basic) {
            "wants a kind of authentication that is not \"basic\", the only one there is here"
        } else if self.credentials.is_some() {
            "does not accept the user name and password that the proxy's URL has"
        } else {
            "wants a user name and a password: put them into its URL (http://user:password@…)"
        };
        refused(format!("{status}: the proxy {does}"))
    }
}

impl Handshake for HttpProxy {
    fn advance(&mut self, came: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, Refused> {
        if !self.asked {
            self.asked = true;
            out.extend_from_slice(self.request().as_bytes());
        }
        let start = b"HTTP/1.";
        let known = came.len().min(start.len());
        if came[..known] != start[..known] {
            return Err(refused("the proxy answers in something that is not HTTP/1"));
        }
        let Ok(end) = self.end.find(came) else {
            return Err(refused(format!(
                "the head of the proxy's answer is longer than {HEAD_MAX} bytes"
            )));
        };
        let Some(end) = end else {
            return Ok(Step::Wait);
        };
        let mut headers = NO_HEADERS;
        let mut response = Response::new(&mut headers);
        if !matches!(response.parse(&came[..end]), Ok(Status::Complete(_))) {
            return Err(refused(
                "the proxy's answer is no HTTP response that we can read",
            ));
        }
        if !matches!(response.code, Some(200..=299)) {
            return Err(self.refusal(&response));
        }
        came.drain(..end);
        Ok(Step::Done(None))
    }

    fn name(&self) -> &'static str {
        "HTTP proxy"
    }

    fn is_costly(&self) -> bool {
        false
    }
}
