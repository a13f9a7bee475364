//! The two ciphers of Noise, on ring. They differ in how a record's number becomes a nonce.

use ring::aead::{AES_256_GCM, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use snow::params::CipherChoice;

pub(super) const KEY_LENGTH: usize = 32;
pub(super) const TAG_LENGTH: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CipherKind {
    ChaChaPoly,
    AesGcm,
}

impl CipherKind {
    pub(super) fn of(choice: CipherChoice) -> Self {
        match choice {
            CipherChoice::ChaChaPoly => Self::ChaChaPoly,
            CipherChoice::AESGCM => Self::AesGcm,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ChaChaPoly => "ChaChaPoly",
            Self::AesGcm => "AESGCM",
        }
    }

    pub(super) fn key(self, bytes: &[u8; KEY_LENGTH]) -> LessSafeKey {
        let algorithm = match self {
            Self::ChaChaPoly => &CHACHA20_POLY1305,
            Self::AesGcm => &AES_256_GCM,
        };
        let key = UnboundKey::new(algorithm, bytes).expect("the keys of both have 32 bytes");
        LessSafeKey::new(key)
    }

    /// Four zero bytes, then the number (Noise, section 12).
    pub(super) fn nonce(self, number: u64) -> Nonce {
        let bytes = match self {
            Self::ChaChaPoly => number.to_le_bytes(),
            Self::AesGcm => number.to_be_bytes(),
        };
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&bytes);
        Nonce::assume_unique_for_key(nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::CipherKind;

    /// Noise, sections 12.3 and 12.4.
    #[test]
    fn numbers_are_little_endian_for_the_one_and_big_endian_for_the_other() {
        let nonce = |kind: CipherKind| *kind.nonce(0x0102_0304_0506_0708).as_ref();
        let [little, big] = [CipherKind::ChaChaPoly, CipherKind::AesGcm].map(nonce);
        assert_eq!(little, [0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(big, [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
