//! What both ends of the upgrade know.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::reason::EndReason;
use crate::transport::codec::Refused;

/// Bytes that the head of a request or a response may have.
pub(super) const HEAD_MAX: usize = 16 * 1024;

pub(super) const NAME: &str = "WebSocket";

/// The header, with the value `1`, by which peers that are both warren know each other.
pub(super) const OURS: &str = "X-Warren";

/// What the server makes of the client's key (RFC 6455 4.2.2).
pub(super) fn accept(key: &[u8]) -> String {
    let text = [key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &text))
}

/// A key from 16 random bytes.
pub(super) fn key(nonce: [u8; 16]) -> String {
    STANDARD.encode(nonce)
}

pub(super) fn refused(text: impl Into<String>) -> Refused {
    Refused::new(EndReason::UpgradeRefused, text)
}

#[cfg(test)]
mod tests {
    use super::{accept, key};

    #[test]
    fn the_answer_to_a_key_is_that_of_rfc_6455() {
        let nonce = *b"the sample nonce";
        assert_eq!(key(nonce), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(
            accept(key(nonce).as_bytes()),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }
}
