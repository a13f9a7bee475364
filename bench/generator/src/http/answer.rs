//! Whether an answer is the one that the sink gives. Knows no connection.

use std::io;

use crate::wire::PAGE;

const HEAD_LIMIT: usize = 8 * 1024;
const HEAD_END: &[u8] = b"\r\n\r\n";

/// One answer, as far as it has come.
#[derive(Default)]
pub(super) struct Answer {
    heard: Vec<u8>,
    is_whole: bool,
}

impl Answer {
    pub(super) fn clear(&mut self) {
        self.heard.clear();
        self.is_whole = false;
    }

    /// Whether the answer is whole now.
    ///
    /// # Errors
    /// Another status than 200, another page, or bytes behind it.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<bool> {
        if self.is_whole {
            return Err(refused("bytes nobody asked for"));
        }
        self.heard.extend_from_slice(bytes);
        let end = self
            .heard
            .windows(HEAD_END.len())
            .position(|window| window == HEAD_END);
        let Some(end) = end else {
            return if self.heard.len() < HEAD_LIMIT {
                Ok(false)
            } else {
                Err(refused("a head without an end"))
            };
        };
        check_head(&self.heard[..end])?;
        let page = &self.heard[end + HEAD_END.len()..];
        if !PAGE.starts_with(page) {
            return Err(refused("another page than the sink's"));
        }
        self.is_whole = page.len() == PAGE.len();
        Ok(self.is_whole)
    }
}

fn check_head(head: &[u8]) -> io::Result<()> {
    let text = String::from_utf8_lossy(head);
    let (status, headers) = text.split_once("\r\n").unwrap_or((&text, ""));
    if !status.starts_with("HTTP/1.1 200 ") {
        return Err(refused(status));
    }
    let length = headers.split("\r\n").find_map(|header| {
        let (name, value) = header.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then_some(value.trim())
    });
    if length == Some("64") {
        Ok(())
    } else {
        Err(refused("another length than 64"))
    }
}

fn refused(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("answered: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Vec<u8> {
        [
            &b"HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 64\r\n\r\n"[..],
            &PAGE,
        ]
        .concat()
    }

    #[test]
    fn takes_an_answer_in_pieces_and_the_next_one() -> io::Result<()> {
        let mut answer = Answer::default();
        for _ in 0..2 {
            let bytes = whole();
            let (last, first) = bytes.split_last().ok_or(io::ErrorKind::InvalidData)?;
            for byte in first {
                assert!(!answer.take(&[*byte])?);
            }
            assert!(answer.take(&[*last])?);
            assert!(answer.take(b"H").is_err());
            answer.clear();
        }
        Ok(())
    }

    #[test]
    fn refuses_every_other_answer() {
        let text = String::from_utf8_lossy(&whole()).into_owned();
        for (wrong, reason) in [
            (text.replace("200 OK", "502 Bad Gateway"), "502 Bad Gateway"),
            (text.replace("1.1", "1.0"), "HTTP/1.0 200 OK"),
            (text.replace(": 64", ": 65"), "another length"),
            (text.replace("content-length", "x"), "another length"),
            (text.replace("sink's", "other "), "another page"),
            (format!("{text}x"), "another page"),
            ("x".repeat(HEAD_LIMIT), "a head without an end"),
        ] {
            let error = Answer::default().take(wrong.as_bytes()).err();
            let error = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(reason), "{reason}: {error}");
        }
    }
}
