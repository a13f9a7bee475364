//! Load generator for reverse tunnels: `sink` is the local service behind the tunnel, `relay` a
//! bare hop to compare with, `delay` a long way between two namespaces, `storm` knocks at a server's tunnel port, every other command is a
//! visitor in front of it. Knows no more of tunnels than their transports' handshakes: an address
//! is enough.

mod abort;
mod args;
mod bulk;
mod burst;
mod delay;
mod exchange;
mod fleet;
mod hold;
mod http;
mod pace;
mod pingpong;
mod relay;
mod report;
mod requests;
mod sink;
mod slow;
mod stats;
mod storm;
mod sys;
mod udp;
mod visitors;
mod wire;

use std::io;
use std::process::ExitCode;

use args::Args;
use report::Report;

const USAGE: &str = "usage: warren-load COMMAND [--flag value]...
  sink      --listen ADDR
  bulk      --connect ADDR --streams N --seconds S --direction up|down [--query ADDR]
            [--priority usual|low]
  pingpong  --connect ADDR --size BYTES --count N [--seconds S]
            or --rate N --seconds S for messages that have their times
  rr        --connect ADDR --connections N --seconds S
  http      --connect ADDR --rate N --seconds S --connections N --mode keepalive|close
  visitors  --connect ADDR --concurrency N --seconds S [--rate N] [--count N]
  abort     --connect ADDR --count N [--threads N]
  burst     --connect ADDR --count N [--deadline S]
  slow      --connect ADDR --count N --bytes SIZE --rate SIZE/s --hold S
  hold      --connect ADDR --count N --seconds S [--first N]
  storm     --connect ADDR --handshake noise|tls|websocket [--pattern NAME --key HEX]
            --at-once N --every S --seconds S
  udp       --connect ADDR --size BYTES --rate N --seconds S [--query ADDR] [--echo yes|no]
  relay     --listen ADDR --connect ADDR
  delay     --ms N [--limit PACKETS]
--query is the sink's own TCP address, for counts that must not cross the tunnel.";

fn run(command: &str, args: &Args) -> io::Result<Report> {
    match command {
        "sink" => sink::run(args),
        "bulk" => bulk::run(args),
        "pingpong" => pingpong::run(args),
        "rr" => requests::run(args),
        "http" => http::run(args),
        "visitors" => visitors::run(args),
        "abort" => abort::run(args),
        "burst" => burst::run(args),
        "slow" => slow::run(args),
        "hold" => hold::run(args),
        "storm" => storm::run(args),
        "udp" => udp::run(args),
        "relay" => relay::run(args),
        "delay" => delay::run(args),
        other => Err(args::invalid(format!("unknown command {other}\n{USAGE}"))),
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(command) = words.next() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let outcome = Args::parse(words).and_then(|args| {
        let report = run(&command, &args)?;
        args.expect_all_used()?;
        Ok(report)
    });
    match outcome {
        Ok(report) => {
            report
                .number("cpu_s", sys::cpu_time().as_secs_f64())
                .print();
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("warren-load {command}: {error}");
            ExitCode::FAILURE
        }
    }
}
