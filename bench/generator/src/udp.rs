//! Datagrams at a steady rate, numbered; the sink counts the distinct ones that arrive.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::args::{Args, invalid};
use crate::bulk::{Questions, unique_id};
use crate::report::Report;
use crate::sys;
use crate::wire::{DATAGRAM_HEADER, FLAG_ECHO};

/// Datagrams due since the last tick go out together; shorter ticks only burn CPU.
const TICK: Duration = Duration::from_micros(250);
/// A pacer that was held up catches up this much and skips the rest: no giant burst.
const MAX_CATCH_UP: Duration = Duration::from_millis(4);
const WARM_UP_LIMIT: Duration = Duration::from_secs(10);
const WARM_UP_STEP: Duration = Duration::from_millis(200);
/// Counting is over when nothing new arrived for this long.
const SETTLE: Duration = Duration::from_millis(150);
const RECEIVE_BUFFER: i32 = 8 << 20;

pub(crate) fn run(args: &Args) -> io::Result<Report> {
    let connect = args.addr("connect")?;
    let query = args.addr_or("query", connect)?;
    let size = usize::try_from(args.size("size", 512)?).unwrap_or(usize::MAX);
    let rate = args.count("rate", 50_000)? as f64;
    let seconds = args.seconds("seconds", 2.0)?;
    let echo = args.choice("echo", ["no", "yes"])? == "yes";
    if !(DATAGRAM_HEADER..=65_507).contains(&size) {
        return Err(invalid(format!(
            "--size must be {DATAGRAM_HEADER} to 65507"
        )));
    }

    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    socket.connect(SocketAddr::from(connect))?;
    sys::enlarge_receive_buffer(&socket, RECEIVE_BUFFER)?;
    let mut datagram = vec![0; size];
    warm_up(&socket, &mut datagram)?;

    let id = unique_id();
    datagram[..8].copy_from_slice(&id.to_le_bytes());
    datagram[DATAGRAM_HEADER - 1] = if echo { FLAG_ECHO } else { 0 };
    let receiver = socket.try_clone()?;
    let echoes = thread::spawn(move || if echo { count_echoes(&receiver, id) } else { 0 });
    let started = Instant::now();
    let sent = pace(&socket, &mut datagram, rate, seconds);
    let elapsed = started.elapsed().as_secs_f64();
    let delivered = settled_count(&mut Questions::open(query)?, id, sent)?;
    let echoed = echoes
        .join()
        .map_err(|_| io::Error::other("the receiver's thread died"))?;

    let report = Report::default()
        .count("sent", sent)
        .count("delivered", delivered)
        .number("seconds", elapsed)
        .number("loss", 1.0 - delivered as f64 / sent as f64)
        .number("rate", sent as f64 / elapsed);
    Ok(if echo {
        report.count("echoed", echoed)
    } else {
        report
    })
}

/// Sends single echoes until one returns: the tunnel's UDP service and this flow are then up.
fn warm_up(socket: &UdpSocket, datagram: &mut [u8]) -> io::Result<()> {
    let deadline = Instant::now() + WARM_UP_LIMIT;
    datagram[..8].copy_from_slice(&unique_id().to_le_bytes());
    datagram[DATAGRAM_HEADER - 1] = FLAG_ECHO;
    socket.set_read_timeout(Some(WARM_UP_STEP))?;
    let mut reply = vec![0; datagram.len()];
    while Instant::now() < deadline {
        // A refused datagram (ICMP) and a lost one are the same here: try again.
        if socket.send(datagram).is_err() {
            thread::sleep(WARM_UP_STEP);
        } else if socket
            .recv(&mut reply)
            .is_ok_and(|length| reply[..length] == *datagram)
        {
            return Ok(());
        }
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "no datagram came back",
    ))
}

/// Sends at `rate` for `seconds`; what the pacer could not send in time is not sent at all.
fn pace(socket: &UdpSocket, datagram: &mut [u8], rate: f64, seconds: Duration) -> u64 {
    let started = Instant::now();
    let most = (rate * MAX_CATCH_UP.as_secs_f64()).ceil().max(1.0);
    let (mut sent, mut skipped) = (0u64, 0.0);
    loop {
        let elapsed = started.elapsed();
        if elapsed >= seconds {
            return sent;
        }
        let due = elapsed.as_secs_f64() * rate - skipped - sent as f64;
        skipped += (due - most).max(0.0);
        for _ in 0..due.min(most) as u64 {
            datagram[8..16].copy_from_slice(&sent.to_le_bytes());
            if socket.send(datagram).is_ok() {
                sent += 1;
            }
        }
        thread::sleep(TICK);
    }
}

/// Counts answers until none came for a while.
fn count_echoes(socket: &UdpSocket, id: u64) -> u64 {
    let mut reply = vec![0; 65_535];
    let mut echoed = 0;
    while let Ok(length) = socket.recv(&mut reply) {
        echoed += u64::from(length >= 8 && reply[..8] == id.to_le_bytes());
    }
    echoed
}

fn settled_count(questions: &mut Questions, id: u64, sent: u64) -> io::Result<u64> {
    let (mut count, mut since) = (0, Instant::now());
    while count < sent && since.elapsed() < SETTLE {
        let (_, now) = questions.ask(id)?;
        if now != count {
            (count, since) = (now, Instant::now());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(count)
}
