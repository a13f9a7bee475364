//! Snapshots cross as plain objects. Reasons cross as pairs; `ts/engine/rust-stats.ts` makes records
//! of them.

use napi_derive::napi;
use warren_core::{EndReason, EngineStats, ServiceStats};

use crate::spec::protocol_name;

#[napi(object, object_from_js = false)]
pub struct BindingReasonCount {
    #[napi(ts_type = "EndReason")]
    pub reason: &'static str,
    pub count: f64,
}

#[napi(object, object_from_js = false)]
pub struct BindingServiceStats {
    pub service: String,
    #[napi(ts_type = "ServiceType")]
    pub protocol: &'static str,
    pub visitors_open: f64,
    pub visitors_waiting: f64,
    pub visitors_total: f64,
    pub bytes_in: f64,
    pub bytes_out: f64,
    pub datagrams_dropped: f64,
    pub pool_ready: f64,
    pub pool_requested: f64,
    pub pool_target: f64,
    pub pool_hits: f64,
    pub pool_misses: f64,
    pub pool_stale: f64,
    pub ends: Vec<BindingReasonCount>,
}

#[napi(object, object_from_js = false)]
pub struct BindingEngineStats {
    pub services: Vec<BindingServiceStats>,
    pub unauthenticated: f64,
    pub tunnel_rejected: Vec<BindingReasonCount>,
}

impl From<EngineStats> for BindingEngineStats {
    fn from(stats: EngineStats) -> Self {
        Self {
            services: stats.services.into_iter().map(Into::into).collect(),
            unauthenticated: stats.unauthenticated as f64,
            tunnel_rejected: reason_counts(&stats.tunnel_rejected),
        }
    }
}

impl From<ServiceStats> for BindingServiceStats {
    fn from(stats: ServiceStats) -> Self {
        Self {
            service: stats.service,
            protocol: protocol_name(stats.protocol),
            visitors_open: stats.visitors_open as f64,
            visitors_waiting: stats.visitors_waiting as f64,
            visitors_total: stats.visitors_total as f64,
            bytes_in: stats.bytes_in as f64,
            bytes_out: stats.bytes_out as f64,
            datagrams_dropped: stats.datagrams_dropped as f64,
            pool_ready: stats.pool_ready as f64,
            pool_requested: stats.pool_requested as f64,
            pool_target: stats.pool_target as f64,
            pool_hits: stats.pool_hits as f64,
            pool_misses: stats.pool_misses as f64,
            pool_stale: stats.pool_stale as f64,
            ends: reason_counts(&stats.ends),
        }
    }
}

fn reason_counts(counts: &[(EndReason, u64)]) -> Vec<BindingReasonCount> {
    let each = counts.iter();
    each.map(|(reason, count)| BindingReasonCount {
        reason: reason.code(),
        count: *count as f64,
    })
    .collect()
}
