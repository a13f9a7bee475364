//! One connection of rustls, of either role, turned one record at a time. It keeps no buffers.

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, Error};

/// The roles differ in their types only.
pub(super) trait Side: Send + 'static {
    type Data;

    /// What a text calls the other end.
    const PEER: &'static str;

    /// What it most likely means when the other end closes in the middle of the handshake.
    const WHEN_CLOSED: &'static str;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;

    fn common(&self) -> &CommonState;
}

impl Side for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    const PEER: &'static str = "client";

    // Not every client says so by an alert: node:tls does not.
    const WHEN_CLOSED: &'static str = ": it may not accept our certificate";

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }

    fn common(&self) -> &CommonState {
        self
    }
}

impl Side for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    const PEER: &'static str = "server";

    const WHEN_CLOSED: &'static str = "";

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }

    fn common(&self) -> &CommonState {
        self
    }
}

pub(super) enum Turn {
    /// There may be more in these bytes.
    Went,
    /// Nothing more can be done with them.
    Stuck,
    /// The peer has said close_notify.
    Ended,
}

/// One step: plaintext is appended to `plain`, what TLS has to say to `out`. Also says how many
/// bytes are to be taken off the front of `wire` before the next step.
pub(super) fn turn<S: Side>(
    side: &mut S,
    wire: &mut [u8],
    plain: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> (usize, Result<Turn, Error>) {
    let UnbufferedStatus { mut discard, state } = side.process(wire);
    let turn = match state {
        Err(error) => Err(error),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => {
                        discard += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                    Err(error) => return (discard, Err(error)),
                }
            }
            Ok(Turn::Went)
        }
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            encode(&mut data, out);
            Ok(Turn::Went)
        }
        Ok(ConnectionState::TransmitTlsData(sent)) => {
            sent.done();
            Ok(Turn::Went)
        }
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Turn::Ended),
        // Early data is never asked for; a state that is new to us is not for us.
        Ok(_) => Ok(Turn::Stuck),
    };
    (discard, turn)
}

/// Appends the alert that is owed after an error, if there is one.
pub(super) fn last_words<S: Side>(side: &mut S, wire: &mut [u8], out: &mut Vec<u8>) {
    while side.common().wants_write() {
        let Ok(ConnectionState::EncodeTlsData(mut data)) = side.process(wire).state else {
            return;
        };
        encode(&mut data, out);
    }
}

fn encode<Data>(data: &mut EncodeTlsData<'_, Data>, out: &mut Vec<u8>) {
    let whole = append(out, 0, |room| match data.encode(room) {
        Ok(written) => Ok(written),
        Err(EncodeError::InsufficientSize(size)) => Err(Some(size.required_size)),
        Err(EncodeError::AlreadyEncoded) => Err(None),
    });
    debug_assert!(whole.is_some(), "a record was encoded twice");
}

/// Appends what `write` makes of an established connection, at first with that much room for it.
/// `kept`: what rustls has read of the next message and not taken. `None`: no more can be sent.
pub(super) fn write<S: Side>(
    side: &mut S,
    kept: &mut [u8],
    out: &mut Vec<u8>,
    room: usize,
    mut write: impl FnMut(&mut WriteTraffic<'_, S::Data>, &mut [u8]) -> Result<usize, EncryptError>,
) -> Option<()> {
    loop {
        match side.process(kept).state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                return append(out, room, |room| match write(&mut traffic, room) {
                    Ok(written) => Ok(written),
                    Err(EncryptError::InsufficientSize(size)) => Err(Some(size.required_size)),
                    Err(EncryptError::EncryptExhausted) => Err(None),
                });
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, out),
            Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
            _ => return None,
        }
    }
}

/// Lets `write` write behind `out`. It says how much it wrote, or else how much room it needs, or
/// that no room would do.
fn append(
    out: &mut Vec<u8>,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Option<()> {
    let start = out.len();
    loop {
        out.resize(start + room, 0);
        let written = write(&mut out[start..]);
        out.truncate(start + written.unwrap_or(0));
        match written {
            Ok(_) => return Some(()),
            Err(Some(needed)) if needed > room => room = needed,
            Err(_) => return None,
        }
    }
}
