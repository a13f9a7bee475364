//! What carries tunnel connections above TCP: made once from what the control plane says, used for
//! every connection.

pub(crate) mod codec;
pub(crate) mod layered;
pub(crate) mod noise;
pub(crate) mod proxy;
pub(crate) mod tls;
pub(crate) mod websocket;
