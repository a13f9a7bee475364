//! The conversation with a proxy that is to connect us to the server (wire-v1 4.1). The proxy gets
//! the server's name as it is: names are resolved there, literals are sent as addresses.

mod http;
mod socks5;

use crate::reason::EndReason;
use crate::spec::{HostPort, ProxySpec, ProxyType};
use crate::transport::codec::{Handshake, Refused};
use crate::transport::proxy::http::HttpProxy;
use crate::transport::proxy::socks5::Socks5Proxy;

/// Ends in `Done(None)`: from there on it is the server that we talk to.
pub(crate) fn handshake(proxy: &ProxySpec, server: &HostPort) -> Box<dyn Handshake> {
    match proxy.protocol {
        ProxyType::Http => Box::new(HttpProxy::new(proxy, server)),
        ProxyType::Socks5 => Box::new(Socks5Proxy::new(proxy, server)),
    }
}

fn refused(text: impl Into<String>) -> Refused {
    Refused::new(EndReason::ProxyRefused, text)
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
