//! SOCKS 5 (RFC 1928), with user name and password (RFC 1929).

use std::net::IpAddr;

use crate::listen::format_address;
use crate::spec::{HostPort, ProxySpec, Secret};
use crate::transport::codec::{Handshake, Refused, Step};
use crate::transport::proxy::refused;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// What we wait for.
#[derive(Clone, Copy)]
enum Stage {
    Begin,
    Method,
    Login,
    Reply,
}

pub(super) struct Socks5Proxy {
    server: HostPort,
    credentials: Option<(String, Secret<String>)>,
    stage: Stage,
}

impl Socks5Proxy {
    pub(super) fn new(proxy: &ProxySpec, server: &HostPort) -> Self {
        Self {
            server: server.clone(),
            credentials: proxy.credentials.clone(),
            stage: Stage::Begin,
        }
    }

    /// Everything has one byte for its length.
    fn check(&self) -> Result<(), Refused> {
        let fits = |what: &str, text: &str| {
            if text.len() <= 255 {
                return Ok(());
            }
            let length = text.len();
            Err(refused(format!(
                "{what} has {length} bytes; SOCKS 5 has room for 255"
            )))
        };
        if let Some((user, Secret(password))) = &self.credentials {
            fits("the user name for the proxy", user)?;
            fits("the password for the proxy", password)?;
        }
        fits("the server's name", &self.server.host)
    }

    fn greet(&self, out: &mut Vec<u8>) {
        if self.credentials.is_some() {
            out.extend_from_slice(&[VERSION, 2, NO_AUTHENTICATION, PASSWORD]);
        } else {
            out.extend_from_slice(&[VERSION, 1, NO_AUTHENTICATION]);
        }
    }

    /// The proxy has chosen how to authenticate.
    fn method(&self, method: u8, out: &mut Vec<u8>) -> Result<Stage, Refused> {
        match (method, &self.credentials) {
            (NO_AUTHENTICATION, _) => {
                self.ask(out);
                Ok(Stage::Reply)
            }
            (PASSWORD, Some((user, Secret(password)))) => {
                out.push(1);
                put(user.as_bytes(), out);
                put(password.as_bytes(), out);
                Ok(Stage::Login)
            }
            (NO_METHOD, None) => Err(refused(
                "the proxy wants authentication: put user name and password into its URL \
                 (socks5://user:password@…)",
            )),
            (NO_METHOD, Some(_)) => Err(refused(
                "the proxy takes neither a user name and password nor connections without",
            )),
            _ => Err(refused(format!(
                "the proxy chose authentication method {method}, which was not offered"
            ))),
        }
    }

    fn ask(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[VERSION, CONNECT, 0]);
        match self.server.host.parse() {
            Ok(IpAddr::V4(ip)) => {
                out.push(IPV4);
                out.extend_from_slice(&ip.octets());
            }
            Ok(IpAddr::V6(ip)) => {
                out.push(IPV6);
                out.extend_from_slice(&ip.octets());
            }
            Err(_) => {
                out.push(NAME);
                put(self.server.host.as_bytes(), out);
            }
        }
        out.extend_from_slice(&self.server.port.to_be_bytes());
    }

    /// The length of the reply to our request, once that can be told.
    fn reply(&self, came: &[u8]) -> Result<Option<usize>, Refused> {
        check_version(came)?;
        if let Some(code) = came.get(1)
            && *code != 0
        {
            let server = format_address(&self.server);
            let why = words(*code);
            return Err(refused(format!(
                "the proxy does not connect to {server}: {why}"
            )));
        }
        let address = match (came.get(3), came.get(4)) {
            (Some(&IPV4), _) => 4,
            (Some(&IPV6), _) => 16,
            (Some(&NAME), Some(length)) => 1 + usize::from(*length),
            (Some(&NAME), None) | (None, _) => return Ok(None),
            (Some(kind), _) => {
                let text = format!("the proxy's reply has an address of unknown type {kind}");
                return Err(refused(text));
            }
        };
        // Version, code, reserved, type; address; port.
        let length = 4 + address + 2;
        Ok((came.len() >= length).then_some(length))
    }
}

impl Handshake for Socks5Proxy {
    fn advance(&mut self, came: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, Refused> {
        loop {
            let (next, used) = match self.stage {
                Stage::Begin => {
                    self.check()?;
                    self.greet(out);
                    (Stage::Method, 0)
                }
                Stage::Method => {
                    check_version(came)?;
                    let Some(method) = came.get(1) else {
                        return Ok(Step::Wait);
                    };
                    (self.method(*method, out)?, 2)
                }
                Stage::Login => {
                    // Some proxies have another version here; only the status counts.
                    let Some(status) = came.get(1) else {
                        return Ok(Step::Wait);
                    };
                    if *status != 0 {
                        return Err(refused("the proxy does not accept user name and password"));
                    }
                    self.ask(out);
                    (Stage::Reply, 2)
                }
                Stage::Reply => {
                    let Some(used) = self.reply(came)? else {
                        return Ok(Step::Wait);
                    };
                    came.drain(..used);
                    return Ok(Step::Done(None));
                }
            };
            came.drain(..used);
            self.stage = next;
        }
    }

    fn name(&self) -> &'static str {
        "SOCKS proxy"
    }

    fn is_costly(&self) -> bool {
        false
    }
}

fn put(bytes: &[u8], out: &mut Vec<u8>) {
    // `check` has seen that it fits.
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}

fn check_version(came: &[u8]) -> Result<(), Refused> {
    match came.first() {
        None | Some(&VERSION) => Ok(()),
        Some(b'H') => Err(refused("the proxy speaks HTTP, not SOCKS 5")),
        Some(_) => Err(refused("the proxy does not speak SOCKS 5")),
    }
}

/// RFC 1928 6.
fn words(code: u8) -> String {
    let text = match code {
        1 => "general failure",
        2 => "its rules do not allow it",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        7 => "it does not support CONNECT",
        8 => "it does not support that type of address",
        _ => return format!("code {code}"),
    };
    text.to_owned()
}
