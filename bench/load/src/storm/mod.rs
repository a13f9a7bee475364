//! Handshakes for a server's tunnel port: waves of connections that do the transport's handshake
//! and leave. What a flow that passes the same server feels of them is measured elsewhere.

mod caller;
mod handshake;
mod noise;
mod tls;

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use caller::Caller;
use handshake::Kind;

use crate::args::Args;
use crate::report::Report;
use crate::stats::Latencies;
use crate::sys::{Interest, Poller};

/// What has not come about then has failed; nobody waits for it longer.
const WAVE_LIMIT: Duration = Duration::from_secs(10);
/// How soon the end of stdin is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Each caller of a wave has an address of its own: servers bound what one address may do at once.
const FIRST_SOURCE: u32 = u32::from_be_bytes([127, 1, 0, 1]);

/// Waves until the time is over or stdin ends: a runner that is gone leaves no storm behind.
pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let addr = args.addr("connect")?;
    let at_once = args.count("at-once", 200)?;
    let every = args.seconds("every", 0.1)?;
    let seconds = args.seconds("seconds", 10.0)?;
    let kind = Kind::read(args)?;

    let started = Instant::now();
    let mut storm = Storm {
        addr,
        kind,
        is_over: watch_stdin(),
        until: started + seconds,
        latencies: Latencies::with_capacity(1 << 14),
        failures: 0,
    };
    let mut waves = 0;
    while !storm.is_over() {
        let begun = Instant::now();
        storm.wave(at_once, waves == 0)?;
        waves += 1;
        while begun.elapsed() < every && !storm.is_over() {
            thread::sleep(LOOK_EVERY.min(every.saturating_sub(begun.elapsed())));
        }
    }
    let elapsed = started.elapsed().as_secs_f64();
    let handshakes = storm.latencies.len();
    let report = Report::default()
        .count("waves", waves)
        .count("handshakes", handshakes as u64)
        .count("failures", storm.failures)
        .number("seconds", elapsed)
        .number("per_second", handshakes as f64 / elapsed);
    Ok(storm.latencies.report(report))
}

fn watch_stdin() -> Arc<AtomicBool> {
    let ended = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&ended);
    thread::spawn(move || {
        // An end by error is an end.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        told.store(true, Ordering::Relaxed);
    });
    ended
}

struct Storm {
    addr: SocketAddrV4,
    kind: Kind,
    is_over: Arc<AtomicBool>,
    until: Instant,
    latencies: Latencies,
    failures: u64,
}

impl Storm {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed) || Instant::now() >= self.until
    }

    /// Connects all at once and drives each to the end of its handshake. A wave that the end of the
    /// storm cuts counts what it has done so far.
    fn wave(&mut self, at_once: usize, is_first: bool) -> io::Result<()> {
        // They are to come at once, so what each says first is thought out before.
        let prepared: Vec<_> = (0..at_once)
            .map(|_| {
                let mut outgoing = Vec::new();
                Ok((self.kind.start(&mut outgoing)?, outgoing))
            })
            .collect::<io::Result<_>>()?;
        let begun = Instant::now();
        let mut poller = Poller::new()?;
        let mut callers = Vec::with_capacity(at_once);
        for (slot, first) in prepared.into_iter().enumerate() {
            let source = Ipv4Addr::from_bits(FIRST_SOURCE + slot as u32);
            let caller = Caller::open(self.addr, source, first)?;
            poller.add(caller.stream(), slot as u64, Interest::Edges)?;
            callers.push(Some(caller));
        }
        if is_first {
            Report::default().count("storming", at_once as u64).print();
        }
        let (mut left, mut ready) = (at_once, Vec::new());
        while left > 0 && !self.is_over() {
            if begun.elapsed() > WAVE_LIMIT {
                self.failures += left as u64;
                break;
            }
            poller.wait(Some(LOOK_EVERY), &mut ready)?;
            for token in &ready {
                let slot = *token as usize;
                let outcome = match callers[slot].as_mut() {
                    Some(caller) => caller.advance(),
                    None => continue,
                };
                match outcome {
                    Ok(false) => continue,
                    Ok(true) => self.latencies.record(begun.elapsed()),
                    Err(error) => {
                        if self.failures == 0 {
                            eprintln!("warren-load storm: {error}");
                        }
                        self.failures += 1;
                    }
                }
                callers[slot] = None;
                left -= 1;
            }
        }
        Ok(())
    }
}
