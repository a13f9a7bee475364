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

/// A handshake that takes longer has failed.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How soon the end of stdin is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Each place of a wave has an address of its own: servers bound what one address may do at once.
const FIRST_SOURCE: u32 = u32::from_be_bytes([127, 1, 0, 1]);

/// Waves until the time is over or stdin ends: a runner that is gone leaves no storm behind.
pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let addr = args.addr("connect")?;
    let at_once = args.count("at-once", 200)?;
    let every = args.seconds("every", 0.1)?;
    let seconds = args.seconds("seconds", 10.0)?;
    let kind = Kind::read(args)?;

    let is_over = watch_stdin();
    let mut storm = Storm {
        addr,
        kind,
        poller: Poller::new()?,
        places: std::iter::repeat_with(|| None).take(at_once).collect(),
        latencies: Latencies::with_capacity(1 << 14),
        failures: 0,
    };
    let started = Instant::now();
    let (mut waves, mut next_wave) = (0, started);
    while started.elapsed() < seconds && !is_over.load(Ordering::Relaxed) {
        if Instant::now() >= next_wave {
            next_wave = Instant::now() + every;
            storm.fill()?;
            if waves == 0 {
                Report::default().count("storming", at_once as u64).print();
            }
            waves += 1;
        }
        let rest = next_wave.saturating_duration_since(Instant::now());
        storm.turn(rest.min(LOOK_EVERY))?;
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
    poller: Poller,
    places: Vec<Option<(Caller, Instant)>>,
    latencies: Latencies,
    failures: u64,
}

impl Storm {
    /// A wave: takes all places that are free, at once. A server whose backlog is too short drops
    /// connections, which come again after a second; those keep their places and hold up no others.
    fn fill(&mut self) -> io::Result<()> {
        let free = (0..self.places.len()).filter(|place| self.places[*place].is_none());
        // What each says first is thought out before.
        let first_words: Vec<_> = free
            .map(|place| {
                let mut outgoing = Vec::new();
                Ok((place, self.kind.start(&mut outgoing)?, outgoing))
            })
            .collect::<io::Result<_>>()?;
        for (place, handshake, outgoing) in first_words {
            let source = Ipv4Addr::from_bits(FIRST_SOURCE + place as u32);
            let opened = Instant::now();
            let caller = Caller::open(self.addr, source, handshake, outgoing)?;
            self.poller
                .add(caller.stream(), place as u64, Interest::Edges)?;
            self.places[place] = Some((caller, opened));
        }
        Ok(())
    }

    /// Goes on with those that can, after at most that time.
    fn turn(&mut self, timeout: Duration) -> io::Result<()> {
        let mut ready = Vec::new();
        self.poller.wait(Some(timeout), &mut ready)?;
        for token in ready {
            let place = token as usize;
            let Some((caller, opened)) = self.places[place].as_mut() else {
                continue;
            };
            match caller.advance() {
                Ok(false) => continue,
                Ok(true) => self.latencies.record(opened.elapsed()),
                Err(error) => self.fail(&error),
            }
            self.places[place] = None;
        }
        for place in 0..self.places.len() {
            let opened = self.places[place].as_ref().map(|(_, opened)| *opened);
            if opened.is_some_and(|opened| opened.elapsed() > HANDSHAKE_LIMIT) {
                self.fail(&io::ErrorKind::TimedOut.into());
                self.places[place] = None;
            }
        }
        Ok(())
    }

    /// The first is told; the rest is usually the same.
    fn fail(&mut self, error: &io::Error) {
        if self.failures == 0 {
            eprintln!("warren-load storm: {error}");
        }
        self.failures += 1;
    }
}
