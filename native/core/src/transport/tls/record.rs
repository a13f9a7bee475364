//! Where one TLS record ends (RFC 8446 5.1).

/// Type, version, length.
const HEAD: usize = 5;

/// Plaintext of a full record.
pub(super) const PAYLOAD: usize = 16_384;

/// The longest record that a peer may send (RFC 5246 6.2.3).
pub(super) const RECORD_MAX: usize = HEAD + PAYLOAD + 2_048;

/// More than any version and cipher adds to one record.
pub(super) const OVERHEAD_MAX: usize = 40;

/// How much of these bytes is the first record, and whether it is whole.
pub(super) fn first_record(bytes: &[u8]) -> (usize, bool) {
    let Some(&[_, _, _, high, low]) = bytes.first_chunk::<HEAD>() else {
        return (bytes.len(), false);
    };
    let length = HEAD + usize::from(u16::from_be_bytes([high, low]));
    (length.min(bytes.len()), length <= bytes.len())
}
