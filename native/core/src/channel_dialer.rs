//! STUB (helper client).
