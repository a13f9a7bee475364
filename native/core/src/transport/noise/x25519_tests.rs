use proptest::prelude::*;

use super::*;

fn key(hex: &str) -> Key {
    let digits = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("digits");
    std::array::from_fn(digits)
}

#[test]
fn rfc_7748_section_5_2() {
    let private = key("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
    let public = key("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
    let secret = key("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
    assert_eq!(shared_secret(&private, &public), Some(secret));
    assert_eq!(portable_shared_secret(&private, &public), Some(secret));
}

#[test]
fn points_of_small_order_give_no_secret() {
    let one = std::array::from_fn(|at| u8::from(at == 0));
    for public in [[0; 32], one] {
        assert_eq!(shared_secret(&[7; 32], &public), None);
        assert_eq!(portable_shared_secret(&[7; 32], &public), None);
    }
}

proptest! {
    #[test]
    fn both_implementations_are_one(private: Key, public: Key) {
        prop_assert_eq!(public_key(&private), portable_public_key(&private));
        prop_assert_eq!(
            shared_secret(&private, &public),
            portable_shared_secret(&private, &public)
        );
    }
}
