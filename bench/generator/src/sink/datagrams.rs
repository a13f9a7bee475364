//! The sink's UDP side: counts distinct datagrams by run, sends back those that ask for it.

use std::collections::VecDeque;
use std::io;
use std::net::UdpSocket;

use super::ledger::{Entry, Ledger};
use crate::sys;
use crate::wire::{self, DATAGRAM_HEADER, FLAG_ECHO};

const RECEIVE_BUFFER: i32 = 8 << 20;
const DATAGRAMS_PER_TURN: usize = 64;
/// Sequence numbers tracked per run: two million 512 B datagrams fit in 256 KiB.
const MAX_SEQUENCE: u64 = 1 << 24;
/// Runs with a live bitmap.
const MAX_RUNS: usize = 4;

struct Run {
    id: u64,
    count: u64,
    seen: Vec<u64>,
}

impl Run {
    /// False for a duplicate and for a number out of range.
    fn mark(&mut self, sequence: u64) -> bool {
        if sequence >= MAX_SEQUENCE {
            return false;
        }
        let (word, bit) = ((sequence / 64) as usize, 1u64 << (sequence % 64));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        let fresh = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        self.count += u64::from(fresh);
        fresh
    }
}

pub(crate) struct Datagrams {
    socket: UdpSocket,
    runs: VecDeque<Run>,
}

impl Datagrams {
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        sys::enlarge_receive_buffer(&socket, RECEIVE_BUFFER)?;
        Ok(Self {
            socket,
            runs: VecDeque::new(),
        })
    }

    /// Takes what is there. Errors are ICMP echoes of datagrams sent earlier: not ours to report.
    pub(crate) fn take(&mut self, scratch: &mut [u8], ledger: &mut Ledger) {
        for _ in 0..DATAGRAMS_PER_TURN {
            let Ok((length, visitor)) = self.socket.recv_from(scratch) else {
                return;
            };
            let datagram = &scratch[..length];
            let (Some(id), Some(sequence)) =
                (wire::read_u64(datagram, 0), wire::read_u64(datagram, 8))
            else {
                continue;
            };
            let flags = datagram
                .get(DATAGRAM_HEADER - 1)
                .copied()
                .unwrap_or_default();
            if flags & FLAG_ECHO != 0 && self.socket.send_to(datagram, visitor).is_err() {
                continue;
            }
            let run = self.run(id);
            if run.mark(sequence) {
                ledger.note(
                    id,
                    Entry {
                        finished: false,
                        count: run.count,
                    },
                );
            }
        }
    }

    fn run(&mut self, id: u64) -> &mut Run {
        let index = self
            .runs
            .iter()
            .position(|run| run.id == id)
            .unwrap_or_else(|| {
                if self.runs.len() == MAX_RUNS {
                    self.runs.pop_front();
                }
                self.runs.push_back(Run {
                    id,
                    count: 0,
                    seen: Vec::new(),
                });
                self.runs.len() - 1
            });
        &mut self.runs[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_sequence_number_once() {
        let mut run = Run {
            id: 1,
            count: 0,
            seen: Vec::new(),
        };
        assert!(run.mark(0));
        assert!(run.mark(1000));
        assert!(!run.mark(1000));
        assert!(!run.mark(MAX_SEQUENCE));
        assert_eq!(run.count, 2);
    }
}
