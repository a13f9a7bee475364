//! An established connection: what rustls seals and opens. Between calls it holds keys and no
//! records.

use rustls::Error;

use crate::reason::EndReason;
use crate::transport::codec::{Codec, Fault, Layout, Opened, Place, Refused};
use crate::transport::tls::record::{OVERHEAD_MAX, PAYLOAD, RECORD_MAX, first_record};
use crate::transport::tls::refusal::refusal;
use crate::transport::tls::side::{Side, Turn, last_words, turn, write};

pub(super) struct TlsCodec<S> {
    side: S,
    /// The first part of a message in several records: rustls has read it and wants to see it again
    /// whenever it is asked for anything. Nobody splits what comes after a handshake; one may.
    kept: Vec<u8>,
    end: End,
    /// The peer has sent something: its handshake is over, too.
    heard: bool,
    refusal: Option<Box<Refused>>,
}

/// How the peer's direction stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// By close_notify.
    Closed,
    /// By a bad record, or by an alert: ours too.
    Failed,
}

impl<S: Side> TlsCodec<S> {
    pub(super) fn new(side: S) -> Self {
        Self {
            side,
            kept: Vec::new(),
            end: End::Open,
            heard: false,
            refusal: None,
        }
    }

    #[cfg(test)]
    pub(super) fn common(&self) -> &rustls::CommonState {
        self.side.common()
    }

    /// TLS 1.3: what is sealed next is behind a KeyUpdate that asks for the peer's.
    #[cfg(test)]
    pub(super) fn refresh_keys(&mut self) {
        use rustls::unbuffered::ConnectionState::WriteTraffic;

        match self.side.process(&mut self.kept).state {
            Ok(WriteTraffic(traffic)) => traffic.refresh_traffic_keys().expect("TLS 1.3"),
            state => panic!("{state:?}"),
        }
    }

    /// Opens whole records; how much of the buffer is done with. A fault goes to `self.end`.
    fn read(&mut self, buffer: &mut [u8], plain: &mut Vec<u8>, reply: &mut Vec<u8>) -> usize {
        let mut at = 0;
        loop {
            let (taken, turn) = turn(&mut self.side, &mut buffer[at..], plain, reply);
            at += taken;
            match turn {
                Ok(Turn::Went) => {}
                Ok(Turn::Stuck) => return at,
                Ok(Turn::Ended) => self.end = End::Closed,
                Err(error) => {
                    last_words(&mut self.side, &mut buffer[at..], reply);
                    self.end = End::Failed;
                    self.refusal = self.refused_by(&error);
                }
            }
            self.heard |= !plain.is_empty();
            if self.end != End::Open {
                return buffer.len();
            }
        }
    }

    /// What an alert is about: as the first that the peer says, its handshake; later, a certificate of
    /// ours or else what we sent.
    fn refused_by(&self, error: &Error) -> Option<Box<Refused>> {
        let Error::AlertReceived(_) = error else {
            return None;
        };
        let refused = refusal(error, S::PEER, true);
        let is_late = self.heard && refused.reason != EndReason::CertificateRefused;
        (!is_late).then(|| Box::new(refused))
    }
}

impl<S: Side> Codec for TlsCodec<S> {
    fn layout(&self) -> Layout {
        Layout::WHOLE
    }

    fn seal(
        &mut self,
        buffer: &mut [u8],
        plain: usize,
        side: &mut Vec<u8>,
    ) -> Result<Place, Fault> {
        if self.end == End::Failed {
            return Err(Fault::BadRecord);
        }
        let room = plain + (plain / PAYLOAD + 1) * OVERHEAD_MAX;
        let plain = &buffer[..plain];
        write(
            &mut self.side,
            &mut self.kept,
            side,
            room,
            |traffic, room| traffic.encrypt(plain, room),
        )
        .ok_or(Fault::BadRecord)?;
        Ok(Place::Side(0..side.len()))
    }

    fn open(
        &mut self,
        buffer: &mut [u8],
        side: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<Opened, Fault> {
        self.kept = Vec::new();
        let mut at = buffer.len();
        if self.end == End::Open {
            at = self.read(buffer, side, reply);
        }
        let rest = &buffer[at..];
        if first_record(rest).1 {
            self.kept = rest.to_vec();
        }
        if rest.len() > RECORD_MAX {
            self.end = End::Failed;
        }
        if self.end == End::Failed && side.is_empty() {
            return Err(Fault::BadRecord);
        }
        Ok(Opened {
            plain: Place::Side(0..side.len()),
            rest: at..buffer.len(),
            ended: self.end == End::Closed,
        })
    }

    fn fin(&self, rest: usize) -> Result<(), Fault> {
        match self.end {
            End::Open if rest > 0 => Err(Fault::Truncated),
            End::Open => Err(Fault::NoGoodbye),
            End::Closed => Ok(()),
            End::Failed => Err(Fault::BadRecord),
        }
    }

    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method itself is not general enough in its lifetimes"
    )]
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<bool, Fault> {
        if self.end == End::Failed {
            return Err(Fault::BadRecord);
        }
        write(
            &mut self.side,
            &mut self.kept,
            out,
            OVERHEAD_MAX,
            |traffic, room| traffic.queue_close_notify(room),
        )
        .ok_or(Fault::BadRecord)?;
        Ok(true)
    }

    fn sends_fin(&self) -> bool {
        true
    }

    fn refusal(&self) -> Option<&Refused> {
        self.refusal.as_deref()
    }
}
