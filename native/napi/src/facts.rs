//! What can be asked of the addon without an engine.

use napi_derive::napi;
use warren_core::EndReason;

use crate::limits::BindingLimits;

/// Of this addon, which is that of the package that it was built for.
#[napi(catch_unwind)]
pub(crate) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Every end reason, in the order of the table.
#[napi(catch_unwind)]
pub(crate) fn end_reasons() -> Vec<&'static str> {
    EndReason::ALL.iter().map(|reason| reason.code()).collect()
}

/// What an engine takes where it is told nothing else.
#[napi(catch_unwind)]
pub(crate) fn default_limits() -> BindingLimits {
    warren_core::Limits::default().into()
}

/// Does what the engine lives by, for a moment: why it does not work on this machine, or null.
#[napi(catch_unwind, ts_return_type = "string | null")]
pub(crate) fn probe() -> Option<String> {
    warren_core::probe().err()
}
