//! TLS 1.2 and 1.3 (wire-v1 4.2) on rustls: what a server or a client keeps, and what a connection
//! of theirs is. Files are the control plane's; what comes here is DER.

mod client;
mod codec;
mod date;
mod handshake;
mod identity;
mod record;
mod refusal;
mod roots;
#[cfg(test)]
pub(crate) mod scene;
mod server;
mod side;
#[cfg(test)]
mod tests;
mod tickets;

pub(crate) use client::TlsClient;
pub(crate) use server::TlsServer;

/// Both, the newer first.
static VERSIONS: &[&rustls::SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];
