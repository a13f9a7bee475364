//! Limits cross as an object of numbers: the fields of `ts/limits.ts`.

use napi_derive::napi;
use warren_core::Limits;

/// Of a field's number in JavaScript and back. Whole numbers up to 2^53 are exact; what is beyond a
/// field's range is its largest value, so that `Infinity` is never.
trait Number {
    fn of_js(number: f64) -> Self;
    fn to_js(self) -> f64;
}

impl Number for u64 {
    fn of_js(number: f64) -> Self {
        number as Self
    }

    fn to_js(self) -> f64 {
        self as f64
    }
}

impl Number for usize {
    fn of_js(number: f64) -> Self {
        number as Self
    }

    fn to_js(self) -> f64 {
        self as f64
    }
}

macro_rules! limits {
    ($($field:ident,)*) => {
        #[napi(object)]
        pub struct BindingLimits {
            $(pub $field: f64,)*
        }

        impl From<BindingLimits> for Limits {
            fn from(limits: BindingLimits) -> Self {
                Self { $($field: Number::of_js(limits.$field),)* }
            }
        }

        impl From<Limits> for BindingLimits {
            fn from(limits: Limits) -> Self {
                Self { $($field: limits.$field.to_js(),)* }
            }
        }
    };
}

limits! {
    handshake_timeout_ms,
    unauthenticated_total,
    unauthenticated_per_address,
    pool_floor,
    pool_ceiling,
    reuse_ceiling,
    channel_uses,
    channel_age_ms,
    channel_settle_ms,
    udp_channels,
    channels_per_service,
    visitors_per_service,
    visitors_waiting,
    pool_wait_ms,
    leave_grace_ms,
    create_timeout_ms,
    dial_timeout_ms,
    dials_at_once,
    dials_waiting,
    dial_retry_ms,
    local_connect_timeout_ms,
    half_close_idle_ms,
    close_hold_ms,
    orphan_grace_ms,
    udp_idle_ms,
    udp_unheard_ms,
    udp_sessions,
    udp_backlog_bytes,
    udp_pending_bytes,
    bind_retry_ms,
    linger_ms,
}
