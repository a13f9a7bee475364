//! What the control plane tells the engine: plain data, as in `ts/engine/spec.ts`, which has the
//! contract. Durations are milliseconds, lengths are bytes.

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
    pub tcp: TcpSpec,
    pub hello: HelloRule,
}

#[derive(Clone, Debug)]
pub struct DialSpec {
    pub remote: HostPort,
    pub prefer_ipv6: bool,
    pub tcp: TcpSpec,
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

#[derive(Clone, Debug)]
pub struct ServerRoutine {
    pub create: Vec<u8>,
    pub heartbeat: Vec<u8>,
    pub heartbeat_interval_ms: u64,
    pub start: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct ClientRoutine {
    pub create: Vec<u8>,
    pub heartbeat: Vec<u8>,
    pub silence_timeout_ms: u64,
    pub hello: Vec<u8>,
    pub start: Vec<u8>,
    pub other_start: Vec<u8>,
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
}
