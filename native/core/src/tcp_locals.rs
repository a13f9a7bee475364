//! STUB (helper client).
pub(crate) struct TcpLocals {}
