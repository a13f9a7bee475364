//! What the control plane tells the engine: plain data, as in `ts/engine/spec.ts`, which has the
//! contract. Durations are milliseconds, lengths are bytes.

use crate::reason::EndReason;

/// A name or literal without brackets, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    pub host: String,
    pub port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceType {
    Tcp,
    Udp,
}

/// Options of tunnel sockets. Keepalive 0: off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpSpec {
    pub nodelay: bool,
    pub keepalive_ms: u64,
    pub keepalive_interval_ms: u64,
}

/// What nobody may read in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(pub T);

impl<T> std::fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A raw X25519 key.
pub type Key = [u8; 32];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoiseSpec {
    pub pattern: String,
    pub local_private_key: Secret<Key>,
    pub remote_public_key: Option<Key>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsIdentity {
    /// DER, the leaf first.
    pub chain: Vec<Vec<u8>>,
    /// PKCS#8, DER.
    pub key: Secret<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSpec {
    pub identities: Vec<TlsIdentity>,
    /// DER.
    pub roots: Vec<Vec<u8>>,
    pub hostname: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebsocketSpec {
    pub path: String,
    pub headers: Vec<(String, String)>,
}

/// What is above TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CarrierSpec {
    Tcp,
    Tls(TlsSpec),
    Noise(NoiseSpec),
    Websocket(WebsocketSpec, Option<TlsSpec>),
}

impl CarrierSpec {
    /// The reason of one that cannot be used at all.
    pub(crate) fn refusal(&self) -> EndReason {
        match self {
            Self::Noise(_) => EndReason::NoiseFailed,
            Self::Tcp | Self::Tls(_) | Self::Websocket(..) => EndReason::TlsFailed,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportSpec {
    pub tcp: TcpSpec,
    pub carrier: CarrierSpec,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyType {
    Http,
    Socks5,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySpec {
    pub protocol: ProxyType,
    pub address: HostPort,
    /// User name and password.
    pub credentials: Option<(String, Secret<String>)>,
}

/// How to tell the first bytes of a tunnel connection apart (wire-v1 1.2).
#[derive(Clone, Debug)]
pub struct HelloRule {
    pub length: usize,
    pub control: Vec<u8>,
    pub data: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct TunnelListenSpec {
    pub bind: HostPort,
    pub transport: TransportSpec,
    pub hello: HelloRule,
}

#[derive(Clone, Debug)]
pub struct DialSpec {
    pub remote: HostPort,
    pub prefer_ipv6: bool,
    pub transport: TransportSpec,
    pub proxy: Option<ProxySpec>,
}

#[derive(Clone, Debug)]
pub struct ServerServiceSpec {
    pub name: String,
    pub protocol: ServiceType,
    pub bind: HostPort,
    /// Of data channels; `None`: as the transport.
    pub nodelay: Option<bool>,
}

#[derive(Clone, Debug)]
pub struct ClientServiceSpec {
    pub name: String,
    pub protocol: ServiceType,
    pub local: HostPort,
    pub nodelay: Option<bool>,
    pub prefer_ipv6: bool,
}

/// Types of frames on the control channel that the engine acts on (docs/wire.md, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTypes {
    pub channels: u8,
    pub heartbeat: u8,
    pub drain: u8,
    pub gave_up: u8,
}

/// Of a peer that reuses data channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReuseRules {
    pub start: Vec<u8>,
    pub addresses: bool,
    pub frames: Option<FrameTypes>,
}

#[derive(Clone, Debug)]
pub struct ServerRoutine {
    pub create: Vec<u8>,
    pub heartbeat: Vec<u8>,
    pub heartbeat_interval_ms: u64,
    pub start: Vec<u8>,
    pub reuse: Option<ReuseRules>,
    pub goodbye: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct ClientRoutine {
    pub create: Vec<u8>,
    pub heartbeat: Vec<u8>,
    pub silence_timeout_ms: u64,
    pub hello: Vec<u8>,
    pub start: Vec<u8>,
    pub other_start: Vec<u8>,
    pub reuse: Option<ReuseRules>,
    pub goodbye: Vec<u8>,
}

/// Changes of a server's service; `None` leaves a thing as it is.
#[derive(Clone, Debug, Default)]
pub struct ServerServiceChange {
    pub bind: Option<HostPort>,
    pub nodelay: Option<Option<bool>>,
    pub routine: Option<ServerRoutine>,
}

/// Changes of a client's service; `None` leaves a thing as it is.
#[derive(Clone, Debug, Default)]
pub struct ClientServiceChange {
    pub local: Option<HostPort>,
    pub nodelay: Option<Option<bool>>,
    pub prefer_ipv6: Option<bool>,
    pub routine: Option<ClientRoutine>,
    pub dial: Option<DialSpec>,
}
