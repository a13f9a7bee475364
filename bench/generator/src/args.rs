//! Command line: `--flag value` pairs, sizes with binary units. Knows no command.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddrV4;
use std::str::FromStr;
use std::time::Duration;

/// The flags of one run; every read is noted so that a misspelt flag is an error.
pub(crate) struct Args {
    values: BTreeMap<String, String>,
    used: RefCell<BTreeSet<String>>,
}

/// An error in what the operator typed.
pub(crate) fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> io::Result<Self> {
        let mut values = BTreeMap::new();
        while let Some(word) = words.next() {
            let flag = word
                .strip_prefix("--")
                .ok_or_else(|| invalid(format!("expected a --flag, got {word}")))?;
            let value = words
                .next()
                .ok_or_else(|| invalid(format!("--{flag} needs a value")))?;
            if values.insert(flag.to_owned(), value).is_some() {
                return Err(invalid(format!("--{flag} given twice")));
            }
        }
        Ok(Self {
            values,
            used: RefCell::default(),
        })
    }

    fn optional(&self, flag: &str) -> Option<&str> {
        self.used.borrow_mut().insert(flag.to_owned());
        self.values.get(flag).map(String::as_str)
    }

    fn parsed<T: FromStr>(&self, flag: &str, default: Option<T>) -> io::Result<T> {
        match self.optional(flag) {
            Some(text) => text
                .parse()
                .map_err(|_| invalid(format!("--{flag}: cannot read {text:?}"))),
            None => default.ok_or_else(|| invalid(format!("--{flag} is required"))),
        }
    }

    /// An IPv4 address with a port; the tunnels under test run on loopback.
    pub(crate) fn addr(&self, flag: &str) -> io::Result<SocketAddrV4> {
        self.parsed(flag, None)
    }

    pub(crate) fn addr_or(&self, flag: &str, default: SocketAddrV4) -> io::Result<SocketAddrV4> {
        self.parsed(flag, Some(default))
    }

    pub(crate) fn count(&self, flag: &str, default: usize) -> io::Result<usize> {
        match self.parsed(flag, Some(default))? {
            0 => Err(invalid(format!("--{flag} must be at least 1"))),
            count => Ok(count),
        }
    }

    /// A count that may be left out.
    pub(crate) fn optional_count(&self, flag: &str) -> io::Result<Option<usize>> {
        match self.optional(flag) {
            Some(_) => self.count(flag, 1).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn seconds(&self, flag: &str, default: f64) -> io::Result<Duration> {
        let seconds: f64 = self.parsed(flag, Some(default))?;
        Duration::try_from_secs_f64(seconds).map_err(|error| invalid(format!("--{flag}: {error}")))
    }

    /// A size such as `4096`, `64KiB` or `4MiB/s` (a rate is a size per second).
    pub(crate) fn size(&self, flag: &str, default: u64) -> io::Result<u64> {
        match self.optional(flag) {
            Some(text) => {
                parse_size(text).ok_or_else(|| invalid(format!("--{flag}: bad size {text:?}")))
            }
            None => Ok(default),
        }
    }

    pub(crate) fn text(&self, flag: &str) -> io::Result<&str> {
        self.optional(flag)
            .ok_or_else(|| invalid(format!("--{flag} is required")))
    }

    /// One word of a fixed set.
    pub(crate) fn choice<const N: usize>(
        &self,
        flag: &str,
        allowed: [&'static str; N],
    ) -> io::Result<&'static str> {
        let text = self.optional(flag).unwrap_or(allowed[0]);
        allowed
            .into_iter()
            .find(|word| *word == text)
            .ok_or_else(|| invalid(format!("--{flag} must be one of {}", allowed.join(", "))))
    }

    /// Refuses flags that no reader asked for.
    pub(crate) fn expect_all_used(&self) -> io::Result<()> {
        let used = self.used.borrow();
        match self.values.keys().find(|flag| !used.contains(*flag)) {
            Some(flag) => Err(invalid(format!("unknown flag --{flag}"))),
            None => Ok(()),
        }
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let text = text.strip_suffix("/s").unwrap_or(text);
    let (digits, shift) = [("KiB", 10), ("MiB", 20), ("GiB", 30)]
        .into_iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)))
        .unwrap_or((text, 0));
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &str) -> io::Result<Args> {
        Args::parse(words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn reads_flags_and_defaults() -> io::Result<()> {
        let args = args("--connect 127.0.0.1:80 --count 5 --seconds 0.5 --direction down")?;
        assert_eq!(args.addr("connect")?.port(), 80);
        assert_eq!(args.count("count", 1)?, 5);
        assert_eq!(args.count("streams", 3)?, 3);
        assert_eq!(args.optional_count("count")?, Some(5));
        assert_eq!(args.optional_count("rate")?, None);
        assert_eq!(args.seconds("seconds", 1.0)?, Duration::from_millis(500));
        assert_eq!(args.choice("direction", ["up", "down"])?, "down");
        args.expect_all_used()
    }

    #[test]
    fn refuses_what_it_cannot_use() -> io::Result<()> {
        assert!(args("connect 1").is_err());
        assert!(args("--connect").is_err());
        assert!(args("--count 1 --count 2").is_err());
        assert!(args("--count 0")?.count("count", 1).is_err());
        assert!(args("--rate 0")?.optional_count("rate").is_err());
        assert!(args("--seconds -1")?.seconds("seconds", 1.0).is_err());
        assert!(args("")?.addr("connect").is_err());
        assert!(args("--speed 1")?.expect_all_used().is_err());
        Ok(())
    }

    #[test]
    fn reads_sizes_and_rates() {
        assert_eq!(parse_size("512"), Some(512));
        assert_eq!(parse_size("64KiB"), Some(65_536));
        assert_eq!(parse_size("4MiB/s"), Some(4 << 20));
        assert_eq!(parse_size("1GiB"), Some(1 << 30));
        assert_eq!(parse_size("KiB"), None);
        assert_eq!(parse_size("99999999999999GiB"), None);
        assert_eq!(parse_size("aébc"), None);
    }
}
