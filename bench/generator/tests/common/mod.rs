//! The loader's processes, and what they print.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

pub(crate) const LOADER: &str = env!("CARGO_BIN_EXE_warren-load");

pub(crate) struct Sink {
    process: Child,
    pub(crate) addr: String,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let mut process = Command::new(LOADER)
            .arg("sink")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the loader was just built");
        let addr = format!("127.0.0.1:{}", number(&first_line(&mut process), "ready"));
        Self { process, addr }
    }

    /// Runs a command against the sink; the last line it printed.
    pub(crate) fn load(&self, command: &str, flags: &str) -> String {
        let output = output(&self.addr, command, flags);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {errors}");
        last_line(&output)
    }
}

/// What a command does against that address.
pub(crate) fn output(addr: &str, command: &str, flags: &str) -> Output {
    Command::new(LOADER)
        .args([command, "--connect", addr])
        .args(flags.split_whitespace())
        .output()
        .expect("the loader runs")
}

pub(crate) fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().last().unwrap_or_default().to_owned()
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.process.kill().expect("the sink still runs");
        self.process.wait().expect("the sink ends");
    }
}

pub(crate) fn first_line(process: &mut Child) -> String {
    let mut line = String::new();
    let stdout = process.stdout.take().expect("stdout is piped");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("it says its port");
    line
}

/// The number of one field; the reports are flat.
pub(crate) fn number(line: &str, field: &str) -> f64 {
    let start = line
        .find(&format!("\"{field}\":"))
        .unwrap_or_else(|| panic!("{field} in {line}"));
    let text = &line[start + field.len() + 3..];
    let end = text.find([',', '}']).expect("an object ends");
    text[..end]
        .parse()
        .unwrap_or_else(|_| panic!("{field} is a number in {line}"))
}
