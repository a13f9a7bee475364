//! Errors of the system in Node's words: its codes and its texts, so that logs and hints read the
//! same whichever engine runs.

use std::io;
use std::net::SocketAddr;

use crate::upcall::SystemError;

/// The code and text of an error of the system, as Node has them.
pub(crate) fn system_error(error: &io::Error) -> SystemError {
    match known(error) {
        Some((code, text)) => SystemError {
            code: Some(code.to_owned()),
            message: text.to_owned(),
        },
        None => SystemError {
            code: None,
            message: error.to_string(),
        },
    }
}

/// The error of a connection that could not be made: `connect ECONNREFUSED 127.0.0.1:1`.
pub(crate) fn connect_error(error: &io::Error, address: SocketAddr) -> SystemError {
    let (ip, port) = (address.ip(), address.port());
    match known(error) {
        Some((code, _)) => SystemError {
            code: Some(code.to_owned()),
            message: format!("connect {code} {ip}:{port}"),
        },
        None => SystemError {
            code: None,
            message: format!("connect {ip}:{port}: {error}"),
        },
    }
}

#[cfg(unix)]
fn known(error: &io::Error) -> Option<(&'static str, &'static str)> {
    macro_rules! table {
        ($number:expr; $($code:ident $text:literal,)*) => {
            match $number {
                $(libc::$code => Some((stringify!($code), $text)),)*
                _ => None,
            }
        };
    }
    let Some(number) = error.raw_os_error() else {
        return by_kind(error.kind());
    };
    table! { number;
        EACCES "permission denied",
        EADDRINUSE "address already in use",
        EADDRNOTAVAIL "address not available",
        EAFNOSUPPORT "address family not supported",
        EAGAIN "resource temporarily unavailable",
        ECONNABORTED "software caused connection abort",
        ECONNREFUSED "connection refused",
        ECONNRESET "connection reset by peer",
        EHOSTDOWN "host is down",
        EHOSTUNREACH "host is unreachable",
        EINVAL "invalid argument",
        EMFILE "too many open files",
        EMSGSIZE "message too long",
        ENETDOWN "network is down",
        ENETUNREACH "network is unreachable",
        ENFILE "file table overflow",
        ENOBUFS "no buffer space available",
        ENODEV "no such device",
        ENOMEM "not enough memory",
        ENOTCONN "socket is not connected",
        EPERM "operation not permitted",
        EPIPE "broken pipe",
        EPROTO "protocol error",
        EPROTONOSUPPORT "protocol not supported",
        ETIMEDOUT "connection timed out",
    }
}

#[cfg(not(unix))]
fn known(error: &io::Error) -> Option<(&'static str, &'static str)> {
    /// Those that have no kind of their own.
    const WSAEMFILE: i32 = 10_024;
    const WSAENOBUFS: i32 = 10_055;
    match error.raw_os_error() {
        Some(WSAEMFILE) => Some(("EMFILE", "too many open files")),
        Some(WSAENOBUFS) => Some(("ENOBUFS", "no buffer space available")),
        _ => by_kind(error.kind()),
    }
}

/// Errors that the standard library made, and those of Windows, whose numbers are others.
fn by_kind(kind: io::ErrorKind) -> Option<(&'static str, &'static str)> {
    use io::ErrorKind as Kind;
    Some(match kind {
        Kind::PermissionDenied => ("EACCES", "permission denied"),
        Kind::AddrInUse => ("EADDRINUSE", "address already in use"),
        Kind::AddrNotAvailable => ("EADDRNOTAVAIL", "address not available"),
        Kind::ConnectionAborted => ("ECONNABORTED", "software caused connection abort"),
        Kind::ConnectionRefused => ("ECONNREFUSED", "connection refused"),
        Kind::ConnectionReset => ("ECONNRESET", "connection reset by peer"),
        Kind::HostUnreachable => ("EHOSTUNREACH", "host is unreachable"),
        Kind::NetworkDown => ("ENETDOWN", "network is down"),
        Kind::NetworkUnreachable => ("ENETUNREACH", "network is unreachable"),
        Kind::OutOfMemory => ("ENOMEM", "not enough memory"),
        Kind::NotConnected => ("ENOTCONN", "socket is not connected"),
        Kind::BrokenPipe => ("EPIPE", "broken pipe"),
        Kind::TimedOut => ("ETIMEDOUT", "connection timed out"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv6Addr, TcpListener};

    #[test]
    fn words_an_error_of_the_system_as_node_does() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let error =
            TcpListener::bind(taken.local_addr().expect("an address")).expect_err("it is taken");
        let SystemError { code, message } = system_error(&error);
        assert_eq!(code.as_deref(), Some("EADDRINUSE"));
        assert_eq!(message, "address already in use");
    }

    #[test]
    fn knows_errors_that_have_only_a_kind() {
        let error = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(system_error(&error).code.as_deref(), Some("ECONNREFUSED"));
    }

    #[test]
    fn keeps_the_text_of_what_it_does_not_know() {
        let error = system_error(&io::Error::other("odd"));
        assert_eq!((error.code, error.message.as_str()), (None, "odd"));
    }

    #[test]
    fn names_the_address_that_was_tried() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = connect_error(&refused, (Ipv6Addr::LOCALHOST, 7).into());
        assert_eq!(error.message, "connect ECONNREFUSED ::1:7");
    }
}
