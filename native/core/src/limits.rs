//! Every bound and deadline: the fields of `ts/limits.ts`, which also has their meanings. A test
//! compares both sets of defaults.

/// Durations are milliseconds; `u64::MAX` is never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub handshake_timeout_ms: u64,
    pub unauthenticated_total: usize,
    pub unauthenticated_per_address: usize,
    pub pool_floor: usize,
    pub pool_ceiling: usize,
    pub udp_channels: usize,
    pub channels_per_service: usize,
    pub visitors_per_service: usize,
    pub visitors_waiting: usize,
    pub pool_wait_ms: u64,
    pub leave_grace_ms: u64,
    pub create_timeout_ms: u64,
    pub dial_timeout_ms: u64,
    pub dials_at_once: usize,
    pub dials_waiting: usize,
    pub dial_retry_ms: u64,
    pub local_connect_timeout_ms: u64,
    pub half_close_idle_ms: u64,
    pub close_hold_ms: u64,
    pub orphan_grace_ms: u64,
    pub udp_idle_ms: u64,
    pub udp_unheard_ms: u64,
    pub udp_sessions: usize,
    pub udp_backlog_bytes: usize,
    pub udp_pending_bytes: usize,
    pub bind_retry_ms: u64,
    pub linger_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_timeout_ms: 5_000,
            unauthenticated_total: 1_024,
            unauthenticated_per_address: 64,
            pool_floor: 8,
            pool_ceiling: 64,
            udp_channels: 2,
            channels_per_service: 4_096,
            visitors_per_service: 16_384,
            visitors_waiting: 4_096,
            pool_wait_ms: 10_000,
            leave_grace_ms: 1_000,
            create_timeout_ms: 10_000,
            dial_timeout_ms: 10_000,
            dials_at_once: 128,
            dials_waiting: 4_096,
            dial_retry_ms: 10_000,
            local_connect_timeout_ms: 10_000,
            half_close_idle_ms: 300_000,
            close_hold_ms: 5_000,
            orphan_grace_ms: 2_000,
            udp_idle_ms: 60_000,
            udp_unheard_ms: 300_000,
            udp_sessions: 4_096,
            udp_backlog_bytes: 1_048_576,
            udp_pending_bytes: 1_048_576,
            bind_retry_ms: 1_000,
            linger_ms: 1_000,
        }
    }
}
