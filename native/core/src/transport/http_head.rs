//! The heads of HTTP/1.1 messages as they come, and what both WebSocket and an HTTP proxy read in
//! them.

use httparse::{EMPTY_HEADER, Header};

/// Headers that a head may have.
pub(crate) const HEADERS_MAX: usize = 64;

pub(crate) const NO_HEADERS: [Header<'static>; HEADERS_MAX] = [EMPTY_HEADER; HEADERS_MAX];

/// The head is longer than may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Finds the blank line, looking at every byte once however few come at a time: parsing again and
/// again what trickles in would cost its length squared.
pub(crate) struct HeadEnd {
    limit: usize,
    seen: usize,
}

impl HeadEnd {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, seen: 0 }
    }

    /// The length of the head at the front of what came, once it is there.
    pub(crate) fn find(&mut self, came: &[u8]) -> Result<Option<usize>, TooLong> {
        let head = &came[..came.len().min(self.limit)];
        while self.seen < head.len() {
            self.seen += 1;
            let lines = &head[..self.seen];
            if lines.ends_with(b"\n\r\n") || lines.ends_with(b"\n\n") {
                return Ok(Some(self.seen));
            }
        }
        if came.len() >= self.limit {
            return Err(TooLong);
        }
        Ok(None)
    }
}

/// The values of a header, as often as it is there.
pub(crate) fn values<'a>(headers: &'a [Header<'a>], name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value.trim_ascii())
}

/// Whether a header that is a list has that token.
pub(crate) fn has_token(headers: &[Header<'_>], name: &str, token: &str) -> bool {
    values(headers, name)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// The status as people write it: `502 Bad Gateway`.
pub(crate) fn status(response: &httparse::Response<'_, '_>) -> String {
    let code = response.code.unwrap_or_default();
    let reason: String = response
        .reason
        .unwrap_or_default()
        .chars()
        .take(80)
        .collect();
    format!("{code} {reason}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{HeadEnd, NO_HEADERS, TooLong, has_token, values};

    #[test]
    fn the_end_is_found_however_it_comes() {
        let head = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
        let came = [&head[..], b"\r\n\r\nrest"].concat();
        assert_eq!(HeadEnd::new(100).find(&came), Ok(Some(head.len())));
        let mut end = HeadEnd::new(100);
        for length in 0..head.len() {
            assert_eq!(end.find(&came[..length]), Ok(None), "{length}");
        }
        assert_eq!(end.find(&came[..head.len()]), Ok(Some(head.len())));
        assert_eq!(HeadEnd::new(100).find(b"a\nb\n\nc"), Ok(Some(5)));
    }

    #[test]
    fn a_head_of_the_limit_ends_and_a_longer_one_is_refused() {
        assert_eq!(HeadEnd::new(6).find(b"ab\r\n\r\nc"), Ok(Some(6)));
        assert_eq!(HeadEnd::new(6).find(b"abc\r\n\r\n"), Err(TooLong));
        assert_eq!(HeadEnd::new(6).find(b"abcde"), Ok(None));
    }

    #[test]
    fn lists_are_read_by_token() {
        let mut headers = NO_HEADERS;
        let text = b"Connection: keep-alive, Upgrade\r\nconnection: x\r\nA: upgrade2\r\n\r\n";
        let (_, headers) = httparse::parse_headers(text, &mut headers)
            .expect("headers")
            .unwrap();
        assert!(has_token(headers, "connection", "upgrade"));
        assert!(has_token(headers, "CONNECTION", "X"));
        assert!(!has_token(headers, "a", "upgrade"));
        assert_eq!(values(headers, "connection").count(), 2);
    }
}
