//! What TLS does between two of ours, towards OpenSSL, and with what is no good.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod codec;
mod damage;
mod handshake;
mod interop;
mod refusal;
mod resumption;
mod speed;
