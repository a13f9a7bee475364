//! Masks of clients' frames (RFC 6455 5.3).

use std::cell::RefCell;

use ring::rand::{SecureRandom, SystemRandom};

use crate::transport::codec::Fault;

pub(super) type Mask = [u8; 4];

/// Masks or unmasks, a machine word at a time. Returns the mask for what follows.
pub(super) fn apply(bytes: &mut [u8], mask: Mask) -> Mask {
    let [a, b, c, d] = mask;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(word.to_ne_bytes()) {
        *byte ^= key;
    }
    let mut next = mask;
    next.rotate_left(tail.len() % 4);
    next
}

/// How much is taken from the system at once: a system call per frame would cost more than the
/// frame.
const STOCK: usize = 1024;

struct Stock {
    bytes: [u8; STOCK],
    used: usize,
}

thread_local! {
    static RANDOM: RefCell<Stock> = const {
        RefCell::new(Stock { bytes: [0; STOCK], used: STOCK })
    };
}

/// A mask that nobody can foresee.
///
/// # Errors
/// The system has no random numbers.
pub(super) fn random() -> Result<Mask, Fault> {
    RANDOM.with_borrow_mut(|stock| {
        if stock.used == STOCK {
            let filled = SystemRandom::new().fill(&mut stock.bytes);
            filled.map_err(|_| Fault::BadRecord)?;
            stock.used = 0;
        }
        let mut mask = [0; 4];
        mask.copy_from_slice(&stock.bytes[stock.used..stock.used + 4]);
        stock.used += 4;
        Ok(mask)
    })
}

#[cfg(test)]
mod tests {
    use super::{STOCK, apply, random};

    #[test]
    fn masking_in_pieces_is_masking_at_once() {
        let plain: Vec<u8> = (0..100).collect();
        let mask = [1, 20, 0, 255];
        let expected: Vec<u8> = plain
            .iter()
            .enumerate()
            .map(|(at, byte)| byte ^ mask[at % 4])
            .collect();
        for cut in 0..=plain.len() {
            let mut bytes = plain.clone();
            let next = apply(&mut bytes[..cut], mask);
            apply(&mut bytes[cut..], next);
            assert_eq!(bytes, expected, "cut at {cut}");
        }
    }

    #[test]
    fn no_mask_comes_twice_in_a_row() {
        let masks: Vec<_> = (0..STOCK).map(|_| random().expect("a mask")).collect();
        let mut sorted = masks.clone();
        sorted.sort_unstable();
        sorted.dedup();
        // Among 1,024 random ones two are the same about once in 8,000 runs; four never.
        assert!(
            sorted.len() > masks.len() - 3,
            "{} of {}",
            sorted.len(),
            masks.len()
        );
    }

    #[test]
    #[ignore = "a measurement"]
    #[allow(clippy::print_stdout, reason = "a measurement")]
    fn speed() {
        let mut bytes = vec![7; 65_535];
        // The best of many: other work on the machine only makes it slower.
        let mut best = f64::MAX;
        for _ in 0..1000 {
            let begun = std::time::Instant::now();
            for _ in 0..20 {
                let mask = random().expect("a mask");
                apply(std::hint::black_box(&mut bytes), mask);
            }
            best = best.min(begun.elapsed().as_secs_f64());
        }
        let rate = 20.0 * bytes.len() as f64 / best;
        println!("masking: {:.1} GB/s", rate / 1e9);
    }
}
