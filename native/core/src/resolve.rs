//! Names to addresses. The system's resolver blocks, so a few helper threads of the process call
//! it, and the task that waits is woken on its shard.
//!
//! Equal names share one lookup, and an answer serves again for a moment: a local service that is
//! given as a name is dialled once for every visitor.
//!
//! The threads are never waited for: the resolver cannot be interrupted. They hold nothing of an
//! engine while they are in it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::panic::catch_unwind;
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use crate::context::Context;
use crate::shard::Shard;
use crate::spec::HostPort;
use crate::system_error::system_error;
use crate::task::{Cancelled, TaskId};
use crate::upcall::{SystemError, lock};

const THREADS_MAX: usize = 4;
const SERVES_AGAIN: Duration = Duration::from_secs(1);

type Answer = Result<Vec<SocketAddr>, SystemError>;

/// All addresses of a name, in the resolver's order; with `prefer_ipv6` those first. A literal is
/// itself, at once.
pub(crate) async fn resolve(
    shard: &Rc<Shard>,
    to: &HostPort,
    prefer_ipv6: bool,
) -> Result<Answer, Cancelled> {
    if let Some(address) = literal(to) {
        return Ok(Ok(vec![address]));
    }
    let lookup = Lookup::begin(shard, to, prefer_ipv6);
    loop {
        if let Some(answer) = lookup.answer() {
            return Ok(answer);
        }
        shard.park(None).await?;
    }
}

/// The address that the text itself is. A zone that is a name is left to the resolver.
pub(crate) fn literal(to: &HostPort) -> Option<SocketAddr> {
    let HostPort { host, port } = to;
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, *port));
    }
    let (ip, zone) = host.split_once('%')?;
    let ip: Ipv6Addr = ip.parse().ok()?;
    let zone = zone.parse().ok()?;
    Some(SocketAddrV6::new(ip, *port, 0, zone).into())
}

/// A name that is being resolved for one task. Dropped, nobody waits for it any more.
pub(crate) struct Lookup {
    ticket: Arc<Ticket>,
    port: u16,
    prefer_ipv6: bool,
}

/// Where the answer is put; its addresses have port 0.
type Ticket = OnceLock<Arc<Answer>>;

impl Lookup {
    /// The running task is woken when the answer is there.
    pub(crate) fn begin(shard: &Rc<Shard>, to: &HostPort, prefer_ipv6: bool) -> Self {
        let ticket = Arc::new(Ticket::new());
        let waiter = Waiter {
            context: Arc::downgrade(&shard.context),
            shard: shard.index,
            task: shard.tasks.current(),
            ticket: Arc::downgrade(&ticket),
        };
        if let Some(answer) = lock(&RESOLVER).ask(&to.host, waiter) {
            let _ = ticket.set(answer);
        }
        Self {
            ticket,
            port: to.port,
            prefer_ipv6,
        }
    }

    pub(crate) fn answer(&self) -> Option<Answer> {
        let answer = self.ticket.get()?;
        let addresses = match &**answer {
            Ok(addresses) => addresses,
            Err(error) => return Some(Err(error.clone())),
        };
        let mut addresses = addresses.clone();
        for address in &mut addresses {
            address.set_port(self.port);
        }
        if self.prefer_ipv6 {
            addresses.sort_by_key(SocketAddr::is_ipv4);
        }
        Some(Ok(addresses))
    }
}

struct Waiter {
    /// Not kept alive: an engine may be gone long before the resolver gives up.
    context: Weak<Context>,
    shard: usize,
    task: TaskId,
    ticket: Weak<Ticket>,
}

impl Waiter {
    fn waits(&self) -> bool {
        self.ticket.strong_count() > 0
    }

    fn tell(&self, answer: &Arc<Answer>) {
        if let Some(ticket) = self.ticket.upgrade() {
            let _ = ticket.set(Arc::clone(answer));
        }
        if let Some(context) = self.context.upgrade() {
            let task = self.task;
            context
                .remote(self.shard)
                .post(move |shard| shard.tasks.wake(task));
        }
    }
}

enum Name {
    /// Queued, or with the resolver.
    Asked(Vec<Waiter>),
    Answered(Instant, Arc<Answer>),
}

/// The names that the process asks for.
struct Resolver {
    names: BTreeMap<String, Name>,
    queue: VecDeque<String>,
    threads: usize,
}

static RESOLVER: Mutex<Resolver> = Mutex::new(Resolver {
    names: BTreeMap::new(),
    queue: VecDeque::new(),
    threads: 0,
});

impl Resolver {
    /// The answer where it is known already; otherwise the waiter gets it.
    fn ask(&mut self, host: &str, waiter: Waiter) -> Option<Arc<Answer>> {
        match self.names.get_mut(host) {
            Some(Name::Asked(waiters)) => {
                if waiters.len() == waiters.capacity() {
                    waiters.retain(Waiter::waits);
                }
                waiters.push(waiter);
                return None;
            }
            Some(Name::Answered(at, answer)) if at.elapsed() < SERVES_AGAIN => {
                return Some(Arc::clone(answer));
            }
            _ => {}
        }
        if self.threads < THREADS_MAX {
            let thread = std::thread::Builder::new().name("warren-dns".to_owned());
            match thread.spawn(work) {
                Ok(_) => self.threads += 1,
                Err(error) if self.threads == 0 => {
                    return Some(Arc::new(Err(system_error(&error))));
                }
                // Those that run will come to it.
                Err(_) => {}
            }
        }
        self.queue.push_back(host.to_owned());
        let asked = Name::Asked(vec![waiter]);
        self.names.insert(host.to_owned(), asked);
        None
    }

    /// The next name that somebody still waits for.
    fn next(&mut self) -> Option<String> {
        while let Some(host) = self.queue.pop_front() {
            let Some(Name::Asked(waiters)) = self.names.get_mut(&host) else {
                continue;
            };
            waiters.retain(Waiter::waits);
            if !waiters.is_empty() {
                return Some(host);
            }
            self.names.remove(&host);
        }
        None
    }

    /// Keeps the answer for a moment, unless it is an error, and returns who waits for it.
    fn answered(&mut self, host: String, answer: &Arc<Answer>) -> Vec<Waiter> {
        let asked = self.names.remove(&host);
        self.names.retain(|_, name| match name {
            Name::Asked(_) => true,
            Name::Answered(at, _) => at.elapsed() < SERVES_AGAIN,
        });
        if answer.is_ok() {
            let answered = Name::Answered(Instant::now(), Arc::clone(answer));
            self.names.insert(host, answered);
        }
        match asked {
            Some(Name::Asked(waiters)) => waiters,
            _ => Vec::new(),
        }
    }
}

/// A helper thread: until nobody waits for anything.
fn work() {
    loop {
        let host = {
            let mut resolver = lock(&RESOLVER);
            let Some(host) = resolver.next() else {
                resolver.threads -= 1;
                return;
            };
            host
        };
        let answer = catch_unwind(|| ask_system(&host)).unwrap_or_else(|_| {
            Err(SystemError {
                code: None,
                message: "the resolver panicked".to_owned(),
            })
        });
        let answer = Arc::new(answer);
        let waiters = lock(&RESOLVER).answered(host, &answer);
        for waiter in waiters {
            waiter.tell(&answer);
        }
    }
}

fn ask_system(host: &str) -> Answer {
    match (host, 0).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(lookup_error(host, &error)),
    }
}

/// Worded as Node words it.
fn lookup_error(host: &str, error: &io::Error) -> SystemError {
    let SystemError { code, message } = system_error(error);
    let code = lookup_code(error).map(str::to_owned).or(code);
    let what = code.as_deref().unwrap_or(&message);
    let message = format!("getaddrinfo {what} {host}");
    SystemError { code, message }
}

/// The standard library keeps only the text of a resolver's error, but on Windows the number.
fn lookup_code(error: &io::Error) -> Option<&'static str> {
    const WSAHOST_NOT_FOUND: i32 = 11_001;
    const WSATRY_AGAIN: i32 = 11_002;
    const WSANO_DATA: i32 = 11_004;
    /// Of glibc, musl, and the BSDs with macOS.
    const UNKNOWN: [&str; 5] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "Name has no usable address",
        "nodename nor servname provided",
    ];
    const TRY_AGAIN: [&str; 2] = ["Temporary failure in name resolution", "Try again"];
    match error.raw_os_error() {
        Some(WSAHOST_NOT_FOUND | WSANO_DATA) if cfg!(windows) => return Some("ENOTFOUND"),
        Some(WSATRY_AGAIN) if cfg!(windows) => return Some("EAI_AGAIN"),
        Some(_) => return None,
        None => {}
    }
    let text = error.to_string();
    if UNKNOWN.iter().any(|known| text.contains(known)) {
        return Some("ENOTFOUND");
    }
    let again = TRY_AGAIN.iter().any(|known| text.contains(known));
    again.then_some("EAI_AGAIN")
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
