//! The pool of pipes, with real ones.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream as Blocking};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use super::*;
use crate::descriptors::Descriptors;

const TINY: usize = SMALLEST;

fn budget(max: usize) -> PipeBudget {
    PipeBudget::with_max(TINY, max, Descriptors::of_system()).expect("more than none")
}

fn pool(budget: &PipeBudget) -> Pipes {
    Pipes::new(Some(budget.clone()))
}

fn pair() -> io::Result<(Blocking, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let outer = Blocking::connect(listener.local_addr()?)?;
    let (inner, _) = listener.accept()?;
    inner.set_nonblocking(true)?;
    Ok((outer, TcpStream::from_std(inner)))
}

fn fill(pipe: &mut Pipe, from: &TcpStream) -> io::Result<usize> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match pipe.fill(from, usize::MAX) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < until => {
                std::thread::yield_now();
            }
            result => return result,
        }
    }
}

#[test]
fn gives_pipes_of_the_probed_size() {
    let budget = probe().expect("this system has pipes");
    let pipe = pool(&budget).take().expect("one");
    assert!(pipe.ends.capacity() >= budget.bytes());
    assert!(SIZES.contains(&budget.bytes()));
    assert_eq!(pipe.len(), 0);
}

#[test]
fn without_a_budget_there_is_none() {
    assert!(Pipes::new(None).take().is_none());
}

#[test]
fn a_pipe_knows_what_is_in_it() -> io::Result<()> {
    let mut pipe = pool(&budget(4)).take().expect("one");
    let (mut visitor, near) = pair()?;
    visitor.write_all(b"hello")?;
    assert_eq!(fill(&mut pipe, &near)?, 5);
    assert_eq!(pipe.len(), 5);
    assert_eq!(pipe.drain(&near)?, 5);
    assert_eq!(pipe.len(), 0);
    assert_eq!(pipe.drain(&near)?, 0);
    let mut back = [0; 5];
    visitor.read_exact(&mut back)?;
    assert_eq!(&back, b"hello");
    drop(visitor);
    assert_eq!(fill(&mut pipe, &near)?, 0);
    Ok(())
}

#[test]
fn an_empty_pipe_serves_again() {
    let budget = budget(8);
    let pipes = pool(&budget);
    let pipe = pipes.take().expect("one");
    let number = pipe.ends.descriptor();
    pipes.give_back(pipe);
    assert_eq!(budget.open(), 1);
    let again = pipes.take().expect("the same");
    assert_eq!(again.ends.descriptor(), number);
    assert_eq!(budget.open(), 1);
}

#[test]
fn a_pipe_that_holds_bytes_is_closed() -> io::Result<()> {
    let budget = budget(8);
    let pipes = pool(&budget);
    let (mut visitor, near) = pair()?;
    let mut pipe = pipes.take().expect("one");
    visitor.write_all(b"secret")?;
    fill(&mut pipe, &near)?;
    pipes.give_back(pipe);
    assert_eq!(budget.open(), 0);
    assert!(pipes.idle.borrow().is_empty());
    // What the next one gets is what was put into it, and nothing else.
    let mut pipe = pipes.take().expect("another");
    visitor.write_all(b"public")?;
    assert_eq!(fill(&mut pipe, &near)?, 6);
    assert_eq!(pipe.drain(&near)?, 6);
    let mut back = [0; 6];
    visitor.read_exact(&mut back)?;
    assert_eq!(&back, b"public");
    Ok(())
}

#[test]
fn shards_share_one_budget() {
    let budget = budget(2);
    let (one, other) = (pool(&budget), pool(&budget));
    let first = one.take().expect("one");
    let second = other.take().expect("two");
    assert!(one.take().is_none() && other.take().is_none());
    // It does not keep what others may need.
    other.give_back(second);
    assert_eq!(budget.open(), 1);
    assert!(one.take().is_some());
    drop(first);
    assert_eq!(budget.open(), 0);
}

#[test]
fn keeps_only_some_idle() {
    let budget = budget(100);
    let pipes = pool(&budget);
    let taken: Vec<_> = (0..IDLE_MAX + 4).map_while(|_| pipes.take()).collect();
    assert_eq!(taken.len(), IDLE_MAX + 4);
    for pipe in taken {
        pipes.give_back(pipe);
    }
    assert_eq!(budget.open(), IDLE_MAX);
    drop(pipes);
    assert_eq!(budget.open(), 0);
}

#[test]
fn closes_what_nobody_needed_for_a_while() {
    let budget = budget(100);
    let pipes = pool(&budget);
    assert_eq!(pipes.trim_at(), None);
    let taken: Vec<_> = (0..4).map_while(|_| pipes.take()).collect();
    for pipe in taken {
        pipes.give_back(pipe);
    }
    let first = pipes.trim_at().expect("four are idle");
    pipes.trim(first - Duration::from_nanos(1));
    // They have not been idle for all of the time.
    pipes.trim(first);
    assert_eq!(budget.open(), 4);
    let busy = pipes.take().expect("an idle one");
    pipes.give_back(busy);
    let second = pipes.trim_at().expect("four are idle");
    assert_eq!(second, first + IDLE_TIME);
    // One was needed, three were not.
    pipes.trim(second);
    assert_eq!(budget.open(), 1);
    pipes.trim(second + IDLE_TIME);
    assert_eq!(budget.open(), 0);
    assert_eq!(pipes.trim_at(), None);
}

/// Runs one test of this file in a process of its own, begun by the given command.
fn run_alone(mut command: Command, name: &str) -> io::Result<Output> {
    let module = module_path!().split_once("::").map_or("", |it| it.1);
    let name = format!("{module}::{name}");
    command.args([
        "--ignored",
        "--exact",
        &name,
        "--test-threads=1",
        "--nocapture",
    ]);
    command.output()
}

fn assert_passed(output: &Output) {
    let passed = String::from_utf8_lossy(&output.stdout).contains("1 passed");
    assert!(output.status.success() && passed, "{output:?}");
}

#[test]
fn a_shortage_of_descriptors_is_no_fault() -> io::Result<()> {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 100 && exec \"$0\" \"$@\""]);
    shell.arg(std::env::current_exe()?);
    assert_passed(&run_alone(shell, "with_a_hundred_descriptors")?);
    Ok(())
}

#[test]
#[ignore = "the process for a_shortage_of_descriptors_is_no_fault"]
fn with_a_hundred_descriptors() -> io::Result<()> {
    // An eighth of 84, as 16 are kept.
    assert_eq!(probe().expect("there is room now").max(), 10);
    // With a budget that is too large, the reserve still is not touched.
    let budget = budget(1_000);
    let pipes = pool(&budget);
    let mut taken: Vec<_> = std::iter::from_fn(|| pipes.take()).collect();
    assert!(taken.iter().all(|pipe| pipe.ends.descriptor() < 84));
    assert!(taken.len() > 20, "{}", taken.len());
    assert_eq!(budget.open(), taken.len());
    assert!(pipes.refused_until.get().is_some());

    taken.clear();
    let null = File::open("/dev/null")?;
    let mut files: Vec<_> = std::iter::from_fn(|| null.try_clone().ok()).collect();
    let pipes = pool(&budget);
    assert!(pipes.take().is_none());
    assert_eq!(budget.open(), 0);
    assert!(probe().is_none());
    files.clear();
    // Not asked again at once, but before long.
    let refused_until = pipes.refused_until.get().expect("refused a moment ago");
    let pipe = loop {
        if let Some(pipe) = pipes.take() {
            break pipe;
        }
    };
    assert!(Instant::now() >= refused_until);
    assert_eq!(pipe.len(), 0);
    Ok(())
}

#[test]
fn a_user_who_has_used_up_all_pipes_gets_none() -> io::Result<()> {
    const NOBODY: u32 = 65_534;
    let mut command = Command::new(std::env::current_exe()?);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    match run_alone(command, "as_a_normal_user") {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            eprintln!("skipped: only root can become another user, who may read this program");
        }
        output => assert_passed(&output?),
    }
    Ok(())
}

#[test]
#[ignore = "the process for a_user_who_has_used_up_all_pipes_gets_none"]
fn as_a_normal_user() -> io::Result<()> {
    let soft = std::fs::read_to_string("/proc/sys/fs/pipe-user-pages-soft")?;
    if soft.trim() != "16384" {
        eprintln!("skipped: pipe-user-pages-soft is {soft}");
        return Ok(());
    }
    let budget = probe().expect("room for pipes");
    assert_eq!((budget.bytes(), budget.max()), (256 << 10, 64));
    let pipes = pool(&budget);
    let taken: Vec<_> = std::iter::from_fn(|| pipes.take()).collect();
    assert_eq!(taken.len(), 64);
    drop(taken);

    // Somebody else of this user takes all.
    let mut hoard = Vec::new();
    let tiny = loop {
        let mut ends = PipeEnds::open()?;
        if ends.resize(1 << 20).is_err() && ends.capacity() < SMALLEST {
            break ends.capacity();
        }
        hoard.push(ends);
        assert!(hoard.len() < 2_000);
    };
    assert!(tiny < SMALLEST);
    let pipes = pool(&budget);
    assert!(pipes.take().is_none());
    assert_eq!(budget.open(), 0);
    assert!(pipes.refused_until.get().is_some());
    // An engine that starts now has them when the other has gone.
    let late = probe().expect("splice works");
    assert_eq!(late.bytes(), 256 << 10);
    hoard.clear();
    assert!(pool(&late).take().is_some());
    Ok(())
}
