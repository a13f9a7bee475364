//! The sink as an HTTP/1.1 origin: every GET is answered with the same page. Decides what is said
//! and when it is over; the reading is the connection's.

use std::io;
use std::net::TcpStream;

use super::transfer::write_some;
use crate::wire::PAGE;

/// A request's line and headers, with the empty line.
const HEAD_LIMIT: usize = 8 * 1024;
const HEAD_END: &[u8] = b"\r\n\r\n";
const METHOD: &[u8] = b"GET ";

const KEPT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n";
const LAST: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\nConnection: close\r\n\r\n";
const REFUSED: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// How far a conversation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// Everything; the next request is awaited.
    All,
    /// Only part of it: the socket is full.
    Part,
    /// Everything, and nothing more will be.
    Last,
}

#[derive(Default)]
pub(super) struct Origin {
    /// The beginning of a request.
    heard: Vec<u8>,
    unsent: Vec<u8>,
    is_last: bool,
}

impl Origin {
    /// Bytes wait for room in the socket; until they are gone, no more is read.
    pub(super) fn is_full(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Answers all requests that are whole; more of them may have come at once.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        let mut heard = std::mem::take(&mut self.heard);
        let mut rest = if heard.is_empty() {
            bytes
        } else {
            heard.extend_from_slice(bytes);
            &heard
        };
        while !self.is_last && !rest.is_empty() {
            let end = rest
                .windows(HEAD_END.len())
                .take(HEAD_LIMIT)
                .position(|window| window == HEAD_END);
            match end {
                Some(end) => {
                    self.answer(wants_close(&rest[..end]));
                    rest = &rest[end + HEAD_END.len()..];
                }
                None if can_become_request(rest) => break,
                None => self.answer(None),
            }
        }
        if !self.is_last {
            self.heard = rest.to_vec();
        }
    }

    fn answer(&mut self, wants_close: Option<bool>) {
        let (head, page) = match wants_close {
            Some(false) => (KEPT, &PAGE[..]),
            Some(true) => (LAST, &PAGE[..]),
            None => (REFUSED, &[][..]),
        };
        self.is_last = wants_close != Some(false);
        self.unsent.extend_from_slice(head);
        self.unsent.extend_from_slice(page);
    }

    pub(super) fn speak(&mut self, stream: &mut TcpStream) -> io::Result<Said> {
        let sent = write_some(stream, &self.unsent)?;
        self.unsent.drain(..sent);
        Ok(if self.is_full() {
            Said::Part
        } else if self.is_last {
            Said::Last
        } else {
            Said::All
        })
    }
}

fn can_become_request(begun: &[u8]) -> bool {
    let seen = begun.len().min(METHOD.len());
    begun.len() < HEAD_LIMIT && begun[..seen] == METHOD[..seen]
}

/// Whether the connection shall end with this request's answer; `None` when it is malformed.
fn wants_close(head: &[u8]) -> Option<bool> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let line = [words.next()?, words.next()?, words.next()?];
    let is_request = line[0] == "GET" && !line[1].is_empty() && line[2] == "HTTP/1.1";
    if !is_request || words.next().is_some() {
        return None;
    }
    let mut close = false;
    for header in lines {
        let (name, value) = header.split_once(':')?;
        if name.is_empty() || name.contains([' ', '\t']) {
            return None;
        }
        close |= name.eq_ignore_ascii_case("connection")
            && value
                .split(',')
                .any(|option| option.trim().eq_ignore_ascii_case("close"));
    }
    Some(close)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers_to(pieces: &[&[u8]]) -> (String, bool) {
        let mut origin = Origin::default();
        for piece in pieces {
            origin.hear(piece);
        }
        let text = String::from_utf8_lossy(&origin.unsent).into_owned();
        (text, origin.is_last)
    }

    fn with_page(head: &[u8]) -> String {
        String::from_utf8_lossy(&[head, &PAGE].concat()).into_owned()
    }

    #[test]
    fn answers_whole_requests_in_one_piece_or_many() {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let bytes: Vec<&[u8]> = request.chunks(1).collect();
        assert_eq!(answers_to(&bytes), (with_page(KEPT), false));
        let unfinished = &bytes[..bytes.len() - 1];
        assert_eq!(answers_to(unfinished), (String::new(), false));
        let two = [request, &request[..]].concat();
        assert_eq!(answers_to(&[&two]).0, with_page(KEPT).repeat(2));
        let (first, last) = two.split_at(40);
        assert_eq!(answers_to(&[first, last]).0, with_page(KEPT).repeat(2));
    }

    #[test]
    fn ends_with_the_request_that_asks_for_it() {
        let request = b"GET /x HTTP/1.1\r\nCONNECTION: keep-alive, Close\r\n\r\n";
        let two = [request, &request[..]].concat();
        assert_eq!(answers_to(&[&two]), (with_page(LAST), true));
    }

    #[test]
    fn refuses_what_is_no_request() {
        let refused = String::from_utf8_lossy(REFUSED).into_owned();
        let long = [b"GET / HTTP/1.1\r\na: ", &[b'x'; HEAD_LIMIT][..]].concat();
        let long_end = [&long[..], HEAD_END].concat();
        let malformed: [&[u8]; 9] = [
            b"GO",
            b"GET / HTTP/1.0\r\n\r\n",
            b"GET  HTTP/1.1\r\n\r\n",
            b"GET / / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nno header\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost : a\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: \xff\r\n\r\n",
            &long,
            &long_end,
        ];
        for bytes in malformed {
            assert_eq!(answers_to(&[bytes]), (refused.clone(), true), "{bytes:?}");
        }
    }
}
