//! Why a connection ended: the codes of `ts/engine/reason.ts`, which also has their meanings. A
//! test compares both tables.

macro_rules! end_reasons {
    ($($variant:ident $code:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum EndReason { $($variant,)* }

        impl EndReason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as logs, events and stats have it.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

end_reasons! {
    VisitorFin "visitor_fin",
    LocalFin "local_fin",
    VisitorReset "visitor_reset",
    LocalReset "local_reset",
    ChannelReset "channel_reset",
    HalfCloseTimeout "half_close_timeout",
    Idle "idle",
    Evicted "evicted",
    VisitorLeft "visitor_left",
    VisitorLimit "visitor_limit",
    Descriptors "descriptors",
    PoolTimeout "pool_timeout",
    LocalRefused "local_refused",
    LocalTimeout "local_timeout",
    LocalUnreachable "local_unreachable",
    BadRecord "bad_record",
    Truncated "truncated",
    SessionEnd "session_end",
    ServiceClosed "service_closed",
    Drain "drain",
    Destroyed "destroyed",
    InternalError "internal_error",
    StaleChannel "stale_channel",
    SurplusChannel "surplus_channel",
    EarlyData "early_data",
    ChannelLimit "channel_limit",
    ChannelEof "channel_eof",
    DialFailed "dial_failed",
    DialLimit "dial_limit",
    TypeMismatch "type_mismatch",
    BadStart "bad_start",
    BadFrame "bad_frame",
    HandshakeTimeout "handshake_timeout",
    HandshakeEof "handshake_eof",
    BadHello "bad_hello",
    UnknownSession "unknown_session",
    RefusedAuth "refused_auth",
    TlsFailed "tls_failed",
    CertificateRefused "certificate_refused",
    NoiseFailed "noise_failed",
    KeyMismatch "key_mismatch",
    UpgradeRefused "upgrade_refused",
    ProxyRefused "proxy_refused",
    LimitTotal "limit_total",
    LimitAddress "limit_address",
    Replaced "replaced",
    ControlEof "control_eof",
    ControlReset "control_reset",
    ControlData "control_data",
    HeartbeatTimeout "heartbeat_timeout",
    TunnelClosed "tunnel_closed",
}

#[cfg(test)]
mod tests {
    use super::EndReason;

    #[test]
    fn codes_are_unique_and_lead_back() {
        for (index, reason) in EndReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
            assert_eq!(EndReason::from_code(reason.code()), Some(*reason));
        }
    }
}
