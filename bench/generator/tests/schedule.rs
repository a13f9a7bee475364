//! Loads with a fixed schedule, against the sink and against servers that misbehave as told:
//! nothing that was due may be left out of what is reported.

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{Sink, last_line, number, output};

const PAUSE: Duration = Duration::from_millis(200);
const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n\
                      warren-load: these are the sixty-four bytes of the sink's page.\n";
const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";

/// What a server does about one request.
enum Act {
    Say(Vec<u8>),
    SayAndClose(Vec<u8>),
    /// Everybody waits.
    PauseAndSay(Vec<u8>),
    Nothing,
}

/// A server that asks `script` about each request it reads, counted from zero; its address.
fn serve(script: impl Fn(usize, &[u8]) -> Act + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it listens").to_string();
    let (script, count) = (Arc::new(script), Arc::new(Mutex::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (script, count) = (Arc::clone(&script), Arc::clone(&count));
            thread::spawn(move || converse(stream, &*script, &count));
        }
    });
    addr
}

/// Ends with the visitor, whose requests are shorter than a read.
fn converse(mut stream: TcpStream, script: &dyn Fn(usize, &[u8]) -> Act, count: &Mutex<usize>) {
    let mut bytes = [0; 1024];
    while let Ok(length) = stream.read(&mut bytes)
        && length > 0
    {
        let mut count = count.lock().expect("no visitor panics");
        let act = script(*count, &bytes[..length]);
        *count += 1;
        let said = match act {
            Act::Nothing => Ok(()),
            Act::Say(bytes) => stream.write_all(&bytes),
            Act::SayAndClose(bytes) => {
                // The end of this function closes.
                drop(stream.write_all(&bytes));
                return;
            }
            Act::PauseAndSay(bytes) => {
                thread::sleep(PAUSE);
                stream.write_all(&bytes)
            }
        };
        if said.is_err() {
            return;
        }
    }
}

/// The report of a run that has to end well.
fn report(addr: &str, command: &str, flags: &str) -> String {
    let output = output(addr, command, flags);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    last_line(&output)
}

#[test]
fn http_follows_its_schedule_in_both_modes() {
    let sink = Sink::start();
    for mode in ["keepalive", "close"] {
        let flags = format!("--rate 400 --seconds 0.5 --connections 8 --mode {mode}");
        let line = sink.load("http", &flags);
        assert_eq!(number(&line, "requests"), 200.0, "{line}");
        assert_eq!(number(&line, "failures"), 0.0, "{line}");
        assert_eq!(number(&line, "late"), 0.0, "{line}");
        assert_eq!(number(&line, "warm_ups"), 8.0, "{line}");
        assert!(number(&line, "seconds") >= 0.5, "{line}");
        assert!(number(&line, "per_second") <= 400.0, "{line}");
        assert_eq!(number(&line, "q99_9"), number(&line, "p999_us"), "{line}");
        assert!(number(&line, "q0") <= number(&line, "q50"), "{line}");
        assert_eq!(number(&line, "q100"), number(&line, "max_us"), "{line}");
    }
}

#[test]
fn a_pause_that_one_visitor_hits_delays_all_that_were_due_meanwhile() {
    for concurrency in [1, 64] {
        // What follows the first letter is what the visitor wants back.
        let addr = serve(|index, bytes| match index {
            100 => Act::PauseAndSay(bytes[1..].into()),
            _ => Act::Say(bytes[1..].into()),
        });
        let flags = format!("--rate 200 --seconds 1 --concurrency {concurrency}");
        let line = report(&addr, "visitors", &flags);
        assert_eq!(number(&line, "visitors"), 200.0, "{line}");
        assert_eq!(number(&line, "late"), 0.0, "{line}");
        assert!(number(&line, "p50_us") < 50_000.0, "{line}");
        // Forty of the two hundred were due in these 200 ms.
        assert!(number(&line, "p90_us") > 50_000.0, "{line}");
    }
}

#[test]
fn visitors_without_an_answer_count_as_late() {
    let addr = serve(|index, bytes| match index {
        0..50 => Act::Say(bytes[1..].into()),
        _ => Act::Nothing,
    });
    let line = report(
        &addr,
        "visitors",
        "--rate 200 --seconds 0.5 --concurrency 4",
    );
    assert_eq!(number(&line, "visitors"), 50.0, "{line}");
    assert_eq!(number(&line, "late"), 50.0, "{line}");
    assert!(number(&line, "p99_us") > 2e6, "{line}");
    assert!(number(&line, "per_second") < 25.0, "{line}");
}

#[test]
fn a_pause_that_one_request_hits_delays_all_that_were_due_meanwhile() {
    for (mode, connections) in [
        ("keepalive", 1),
        ("keepalive", 4),
        ("close", 1),
        ("close", 64),
    ] {
        let addr = serve(|index, _| match index {
            100 => Act::PauseAndSay(ANSWER.into()),
            _ => Act::Say(ANSWER.into()),
        });
        let flags = format!("--rate 200 --seconds 1 --connections {connections} --mode {mode}");
        let line = report(&addr, "http", &flags);
        assert_eq!(number(&line, "requests"), 200.0, "{line}");
        assert_eq!(number(&line, "late"), 0.0, "{line}");
        // 40 of 200 were due in that time. A loader that waits and then goes on from there would
        // have seen one long latency, which is not even in its 99th percentile.
        assert!(number(&line, "p99_us") > 170_000.0, "{mode}: {line}");
        assert!(number(&line, "p90_us") > 80_000.0, "{mode}: {line}");
    }
}

#[test]
fn a_paced_pingpong_counts_from_when_each_message_was_due() {
    let addr = serve(|index, bytes| {
        // The first read has the mode before the message, or only that.
        let echo = match bytes.split_first() {
            Some((b'e', message)) => message,
            _ => bytes,
        };
        match index {
            100 => Act::PauseAndSay(echo.into()),
            _ => Act::Say(echo.into()),
        }
    });
    let line = report(&addr, "pingpong", "--size 64 --rate 200 --seconds 1");
    assert_eq!(number(&line, "trips"), 200.0, "{line}");
    assert_eq!(number(&line, "late"), 0.0, "{line}");
    assert!(number(&line, "p99_us") > 170_000.0, "{line}");
    assert!(number(&line, "p90_us") > 80_000.0, "{line}");
    let line = Sink::start().load("pingpong", "--rate 500 --seconds 0.2");
    assert_eq!(number(&line, "trips"), 100.0, "{line}");
    assert!(number(&line, "seconds") >= 0.2, "{line}");
    assert!(
        number(&line, "p999_us") <= number(&line, "max_us"),
        "{line}"
    );
}

#[test]
fn what_is_never_answered_counts_with_the_time_it_has_waited() {
    for mode in ["keepalive", "close"] {
        let addr = serve(|index, _| match index {
            0..10 => Act::Say(ANSWER.into()),
            _ => Act::Nothing,
        });
        let flags = format!("--rate 100 --seconds 0.2 --connections 4 --mode {mode}");
        let line = report(&addr, "http", &flags);
        // Four have been answered before the clock started.
        assert_eq!(number(&line, "requests"), 6.0, "{line}");
        // Four are open, ten were never sent.
        assert_eq!(number(&line, "late"), 14.0, "{line}");
        assert!(number(&line, "seconds") > 2.1, "{line}");
        assert!(number(&line, "per_second") < 3.0, "{line}");
        assert!(number(&line, "p50_us") > 2_000_000.0, "{line}");
        assert!(number(&line, "max_us") > 2_100_000.0, "{line}");
    }
}

#[test]
fn another_status_is_a_failure() {
    for mode in ["keepalive", "close"] {
        let addr = serve(|index, _| match index % 10 {
            9 => Act::Say(UNAVAILABLE.into()),
            _ => Act::Say(ANSWER.into()),
        });
        let flags = format!("--rate 400 --seconds 0.25 --connections 5 --mode {mode}");
        let line = report(&addr, "http", &flags);
        assert_eq!(number(&line, "failures"), 10.0, "{line}");
        assert_eq!(number(&line, "requests"), 90.0, "{line}");
        assert_eq!(number(&line, "late"), 0.0, "{line}");
    }
    let addr = serve(|_, _| Act::Say(UNAVAILABLE.into()));
    let outcome = output(&addr, "http", "--rate 100 --seconds 0.1");
    assert!(!outcome.status.success());
    let errors = String::from_utf8_lossy(&outcome.stderr);
    assert!(errors.contains("503 Service Unavailable"), "{errors}");
}

#[test]
fn another_page_and_a_cut_one_are_failures() {
    let addr = serve(|index, _| match index % 10 {
        8 => Act::Say(ANSWER.replace("sink's", "other ").into()),
        9 => Act::SayAndClose(ANSWER[..ANSWER.len() - 1].into()),
        _ => Act::Say(ANSWER.into()),
    });
    let flags = "--rate 400 --seconds 0.25 --connections 5 --mode close";
    let line = report(&addr, "http", flags);
    assert_eq!(number(&line, "failures"), 20.0, "{line}");
    assert_eq!(number(&line, "requests"), 80.0, "{line}");
}

#[test]
fn a_connection_that_does_not_stay_is_a_failure() {
    let addr = serve(|index, _| match index {
        0..2 => Act::Say(ANSWER.into()),
        _ => Act::SayAndClose(ANSWER.into()),
    });
    let flags = "--rate 100 --seconds 0.3 --connections 2 --mode keepalive";
    let line = report(&addr, "http", flags);
    assert!(number(&line, "failures") >= 25.0, "{line}");
    assert_eq!(number(&line, "late"), 0.0, "{line}");
}
