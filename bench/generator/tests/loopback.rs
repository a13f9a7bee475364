//! Every command against a real sink on loopback, as processes.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use common::{LOADER, Sink, first_line, number};

/// Two hops of the bare relay in front of a sink.
struct Relays {
    hops: Vec<Child>,
    /// Its address is that of the first hop.
    sink: Sink,
}

impl Relays {
    fn start() -> Self {
        let mut sink = Sink::start();
        let mut hops = Vec::new();
        for _ in 0..2 {
            let mut process = Command::new(LOADER)
                .args(["relay", "--listen", "127.0.0.1:0", "--connect", &sink.addr])
                .stdout(Stdio::piped())
                .spawn()
                .expect("the loader was just built");
            sink.addr = format!("127.0.0.1:{}", number(&first_line(&mut process), "ready"));
            hops.push(process);
        }
        Self { hops, sink }
    }
}

impl Drop for Relays {
    fn drop(&mut self) {
        for hop in &mut self.hops {
            hop.kill().expect("the hop still runs");
            hop.wait().expect("the hop ends");
        }
    }
}

#[test]
fn bulk_counts_the_same_bytes_at_both_ends() {
    let sink = Sink::start();
    for flags in [
        "--direction up --streams 1",
        "--direction up --streams 4",
        "--direction up --streams 4 --priority low",
        "--direction down",
    ] {
        let line = sink.load("bulk", &format!("{flags} --seconds 0.1"));
        assert!(number(&line, "bytes") > 1e6, "{line}");
        assert!(line.contains("\"half_close\":true"), "{line}");
        assert!(line.contains("\"congestion\":\""), "{line}");
    }
}

#[test]
fn drain_answers_the_count_after_fin() {
    let sink = Sink::start();
    let mut stream = TcpStream::connect(&sink.addr).expect("the sink listens");
    // Mode, id and payload in pieces: a tunnel may cut anywhere.
    for piece in [&b"d\x01\0\0"[..], &b"\0\0\0\0\0"[..], &[7; 3000][..]] {
        stream.write_all(piece).expect("the sink reads");
        std::thread::yield_now();
    }
    stream.shutdown(Shutdown::Write).expect("half-close");
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .expect("the sink answers and closes");
    assert_eq!(answer, 3000u64.to_le_bytes());
}

/// What the sink answers to these bytes, up to its end; the visitor half-closes.
fn answer_to(addr: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).expect("the sink listens");
    let mut answer = String::new();
    thread::scope(|scope| {
        let mut writer = stream.try_clone().expect("it is open");
        scope.spawn(move || {
            writer.write_all(request).expect("the sink reads");
            writer.shutdown(Shutdown::Write).expect("half-close");
        });
        stream.read_to_string(&mut answer).expect("it is text");
    });
    answer
}

#[test]
fn the_sink_is_an_http_origin() {
    let sink = Sink::start();
    let get = "GET / HTTP/1.1\r\nHost: sink\r\n\r\n";
    let one = answer_to(&sink.addr, get.as_bytes());
    let (head, page) = one.split_once("\r\n\r\n").expect("a head ends");
    assert_eq!(head, "HTTP/1.1 200 OK\r\nContent-Length: 64");
    assert_eq!(page.len(), 64);
    // More than a socket takes at once, none of it lost.
    let many = answer_to(&sink.addr, get.repeat(50_000).as_bytes());
    assert_eq!(many.len(), 50_000 * one.len());
    let refused = answer_to(&sink.addr, b"GOPHER\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
}

#[test]
fn the_sink_ends_an_http_connection_that_wants_to_close() {
    let sink = Sink::start();
    let mut stream = TcpStream::connect(&sink.addr).expect("the sink listens");
    let close = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    // What comes behind is not read; its answer must arrive whole for all that.
    let request = [close, &"x".repeat(100_000)].concat();
    stream.write_all(request.as_bytes()).expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("FIN, not RST");
    assert!(answer.contains("Connection: close\r\n"), "{answer}");
    assert_eq!(
        answer.split_once("\r\n\r\n").map(|(_, page)| page.len()),
        Some(64)
    );
}

#[test]
fn pingpong_and_requests_report_latency() {
    let sink = Sink::start();
    let line = sink.load("pingpong", "--size 64 --count 200");
    assert!(number(&line, "p50_us") <= number(&line, "p99_us"), "{line}");
    let line = sink.load("pingpong", "--seconds 0.1 --count 1000000");
    assert!((10.0..1e6).contains(&number(&line, "trips")), "{line}");
    let line = sink.load("rr", "--connections 8 --seconds 0.1");
    assert!(number(&line, "requests") > 8.0, "{line}");
}

#[test]
fn visitors_come_and_go() {
    let sink = Sink::start();
    for concurrency in [1, 32] {
        let line = sink.load(
            "visitors",
            &format!("--concurrency {concurrency} --seconds 0.1"),
        );
        assert!(number(&line, "visitors") > 10.0, "{line}");
        assert_eq!(number(&line, "failures"), 0.0, "{line}");
    }
}

#[test]
fn visitors_keep_to_their_rate_and_count() {
    let sink = Sink::start();
    let line = sink.load("visitors", "--concurrency 16 --rate 500 --seconds 0.4");
    let visitors = number(&line, "visitors");
    assert!((150.0..=201.0).contains(&visitors), "{line}");
    let line = sink.load("visitors", "--concurrency 16 --rate 5000 --count 300");
    assert_eq!(number(&line, "visitors"), 300.0, "{line}");
    assert_eq!(number(&line, "late"), 0.0, "{line}");
    assert!(number(&line, "seconds") >= 0.0598, "{line}");
}

#[test]
fn aborted_visitors_end_at_every_moment() {
    let relays = Relays::start();
    let line = relays.sink.load("abort", "--count 100");
    assert_eq!(number(&line, "failures"), 0.0, "{line}");
    assert_eq!(number(&line, "waiting"), 40.0, "{line}");
    // Of nine moments six are the visitor's; RST of the sink arrives as RST.
    assert_eq!(number(&line, "by_visitor"), 42.0, "{line}");
    assert_eq!(number(&line, "by_local_as_reset"), 18.0, "{line}");
    // Neither the relay nor the sink has been hurt.
    let line = relays.sink.load("burst", "--count 50");
    assert_eq!(number(&line, "paired"), 50.0, "{line}");
}

#[test]
fn two_bare_relays_pass_every_byte() {
    let relays = Relays::start();
    for flags in [
        "--direction up --streams 1",
        "--direction up --streams 4",
        "--direction down --streams 2",
    ] {
        let line = relays.sink.load("bulk", &format!("{flags} --seconds 0.1"));
        assert!(number(&line, "bytes") > 1e6, "{line}");
        assert!(line.contains("\"half_close\":true"), "{line}");
    }
    let line = relays.sink.load("pingpong", "--size 64 --count 100");
    assert_eq!(number(&line, "trips"), 100.0, "{line}");
    let line = relays.sink.load("pingpong", "--size 300KiB --count 20");
    assert_eq!(number(&line, "trips"), 20.0, "{line}");
}

#[test]
fn burst_pairs_every_visitor_with_its_own_bytes() {
    let line = Sink::start().load("burst", "--count 300");
    assert_eq!(number(&line, "paired"), 300.0, "{line}");
    assert_eq!(
        number(&line, "failures") + number(&line, "unanswered"),
        0.0,
        "{line}"
    );
}

#[test]
fn slow_readers_read_at_their_rate() {
    let flags = "--count 3 --bytes 1GiB --rate 1MiB/s --hold 0.3";
    let line = Sink::start().load("slow", flags);
    assert_eq!(number(&line, "failures"), 0.0, "{line}");
    let bytes = number(&line, "bytes");
    assert!(bytes > 1e5 && bytes < 2e6, "{line}");
}

#[test]
fn hold_keeps_every_connection() {
    let line = Sink::start().load("hold", "--count 100 --first 40 --seconds 0.1");
    assert_eq!(number(&line, "kept"), 100.0, "{line}");
    assert_eq!(number(&line, "lost"), 0.0, "{line}");
}

#[test]
fn datagrams_are_counted_and_echoed() {
    let sink = Sink::start();
    let line = sink.load("udp", "--size 64 --rate 1000 --seconds 0.2");
    assert!(number(&line, "delivered") > 0.0, "{line}");
    assert!(number(&line, "loss") < 0.05, "{line}");
    let line = sink.load("udp", "--size 64 --rate 1000 --seconds 0.2 --echo yes");
    assert!(number(&line, "echoed") > 0.0, "{line}");
}

/// Answers upgrades as a WebSocket server does; a caller may leave at any time.
fn upgrade(listener: &TcpListener) {
    for mut stream in listener.incoming().flatten() {
        let mut asked = Vec::new();
        let mut byte = [0];
        while !asked.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
            asked.push(byte[0]);
        }
        let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
    }
}

/// The lines that a storm prints, its stdin being closed after the first of them.
fn storm(listener: &TcpListener, flags: &str) -> Vec<String> {
    let addr = listener.local_addr().expect("it listens").to_string();
    let mut process = Command::new(LOADER)
        .args(["storm", "--connect", &addr, "--handshake", "websocket"])
        .args(flags.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the loader was just built");
    let stdout = process.stdout.take().expect("stdout is piped");
    let mut lines = Vec::new();
    for line in BufReader::new(stdout).lines() {
        lines.push(line.expect("it is text"));
        if flags.contains("--every 60") {
            drop(process.stdin.take());
        }
    }
    assert!(process.wait().expect("it ends").success());
    lines
}

#[test]
fn a_storm_comes_in_waves_until_its_time_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let server = listener.try_clone().expect("it is open");
    thread::spawn(move || upgrade(&server));
    let lines = storm(&listener, "--at-once 10 --every 0.05 --seconds 1");
    let [first, last] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(number(first, "storming"), 10.0, "{first}");
    let waves = number(last, "waves");
    assert!(waves >= 2.0, "{last}");
    let handshakes = number(last, "handshakes");
    assert!((10.0..=10.0 * waves).contains(&handshakes), "{last}");
    assert_eq!(number(last, "failures"), 0.0, "{last}");
}

#[test]
fn a_storm_ends_with_its_stdin() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let lines = storm(&listener, "--at-once 3 --every 60 --seconds 60");
    let last = lines.last().expect("it reports");
    assert_eq!(number(last, "waves"), 1.0, "{last}");
    assert_eq!(number(last, "handshakes"), 0.0, "{last}");
}

#[test]
fn a_storm_counts_what_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let lines = thread::scope(|scope| {
        scope.spawn(|| listener.incoming().take(5).for_each(drop));
        storm(&listener, "--at-once 5 --every 0.1 --seconds 0.1")
    });
    let last = lines.last().expect("it reports");
    assert_eq!(number(last, "failures"), 5.0, "{last}");
}

#[test]
fn refuses_a_misspelt_flag() {
    let output = Command::new(LOADER)
        .args(["sink", "--port", "1"])
        .output()
        .expect("it runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown flag --port"));
}
