//! From a name and a port to a connected link: resolves, then tries every address, the next one
//! 250 ms after the one before without giving that up (RFC 8305), so that neither a dead address nor
//! a long round trip decides (wire-v1 W18).
//!
//! Nearly every dial is won by the one address that is known beforehand. That one is tried without
//! allocating anything; the race is made only when there is more to try.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::listen::format_address;
use crate::resolve::{Lookup, literal};
use crate::shard::Shard;
use crate::spec::HostPort;
use crate::system_error::connect_error;
pub(crate) use crate::system_error::system_error;
use crate::task::Cancelled;
use crate::tcp_link::TcpLink;
use crate::tcp_socket::{self, StreamOptions};
use crate::transport::codec::Refused;
use crate::upcall::SystemError;

const STAGGER: Duration = Duration::from_millis(250);

pub(crate) struct DialOptions {
    pub(crate) timeout_ms: u64,
    pub(crate) prefer_ipv6: bool,
    pub(crate) stream: StreamOptions,
    /// Tried before the addresses of the name.
    pub(crate) first: Option<SocketAddr>,
}

#[derive(Debug)]
pub(crate) enum DialError {
    Cancelled(Cancelled),
    /// What was tried, and the last error of the system.
    Failed {
        tried: String,
        error: Option<SystemError>,
    },
    /// It was reached; the proxy's or the transport's handshake failed.
    Refused(Refused),
}

impl From<Cancelled> for DialError {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}

/// A connection to the first of the addresses that answers. The others are given up.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn holds its arguments twice, and every visitor has one of these"
)]
pub(crate) fn dial<'a>(
    shard: &'a Rc<Shard>,
    to: &'a HostPort,
    options: &'a DialOptions,
) -> impl Future<Output = Result<(TcpLink, SocketAddr), DialError>> + 'a {
    async move {
        let mut race = RaceStart::new(shard, to, options);
        if let Some(address) = race.lead {
            match begin(shard, address, options) {
                Ok((link, true)) => return Ok((link, address)),
                Ok((link, false)) => loop {
                    match state(&link) {
                        Ok(true) => return Ok((link, address)),
                        Ok(false) if !race.is_late(shard) => {
                            shard.tasks.park(race.until()).await?;
                        }
                        result => {
                            race.led = Some(result.map(|_| link));
                            break;
                        }
                    }
                },
                Err(error) => race.led = Some(Err(error)),
            }
        }
        Box::pin(Race::new(shard, to, options, race).run()).await
    }
}

/// What a race begins with.
struct RaceStart {
    /// The address that is known beforehand.
    lead: Option<SocketAddr>,
    /// How far it has come: under way, or failed.
    led: Option<io::Result<TcpLink>>,
    /// When the next address is tried; `None`: there is only the one.
    next_at: Option<Instant>,
    deadline: Option<Instant>,
}

impl RaceStart {
    fn new(shard: &Shard, to: &HostPort, options: &DialOptions) -> Self {
        let named = literal(to);
        // A known address needs no resolver; the name is for when it does not answer.
        let is_only = options.first.is_none() || options.first == named;
        let next_at = shard.now().checked_add(STAGGER);
        Self {
            lead: options.first.or(named),
            led: None,
            next_at: next_at.filter(|_| !is_only),
            deadline: shard.after(options.timeout_ms),
        }
    }

    fn until(&self) -> Option<Instant> {
        earliest(self.deadline, self.next_at)
    }

    fn is_late(&self, shard: &Shard) -> bool {
        self.until().is_some_and(|at| at <= shard.now())
    }
}

/// What a log says of it.
pub(crate) fn connect_text(to: &HostPort, tried: &str) -> String {
    format!("cannot connect to {}: {tried}", format_address(to))
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

/// Begins to connect. True: it is connected already, as over loopback, and no wait is needed.
fn begin(
    shard: &Rc<Shard>,
    address: SocketAddr,
    options: &DialOptions,
) -> io::Result<(TcpLink, bool)> {
    let stream = tcp_socket::connect(address, &options.stream)?;
    if cfg!(unix) && tcp_socket::is_connected(&stream)? {
        return Ok((TcpLink::adopt(shard, stream)?, true));
    }
    Ok((TcpLink::connecting(shard, stream)?, false))
}

/// Whether it is connected by now.
fn state(link: &TcpLink) -> io::Result<bool> {
    if !link.is_writable() && !link.is_broken() {
        return Ok(false);
    }
    if cfg!(unix) && link.is_connected()? {
        return Ok(true);
    }
    match link.take_error() {
        Some(error) => Err(error),
        None => link.is_connected(),
    }
}

enum Names {
    Unresolved,
    Resolving(Lookup),
    Resolved,
}

/// Attempts under way for one dial; the first that connects wins, the others are dropped with it.
struct Race<'a> {
    shard: &'a Rc<Shard>,
    to: &'a HostPort,
    options: &'a DialOptions,
    deadline: Option<Instant>,
    names: Names,
    waiting: VecDeque<SocketAddr>,
    running: Vec<(SocketAddr, TcpLink)>,
    failures: Vec<String>,
    cause: Option<SystemError>,
    /// When the next address is tried though the one before has not failed.
    next_at: Option<Instant>,
}

impl<'a> Race<'a> {
    fn new(
        shard: &'a Rc<Shard>,
        to: &'a HostPort,
        options: &'a DialOptions,
        start: RaceStart,
    ) -> Self {
        let is_only = start.lead.is_some() && start.next_at.is_none();
        let mut race = Self {
            shard,
            to,
            options,
            deadline: start.deadline,
            names: if is_only {
                Names::Resolved
            } else {
                Names::Unresolved
            },
            waiting: VecDeque::new(),
            running: Vec::new(),
            failures: Vec::new(),
            cause: None,
            next_at: start.next_at,
        };
        match (start.lead, start.led) {
            (Some(address), Some(Ok(link))) => race.running.push((address, link)),
            (Some(address), Some(Err(error))) => race.failed(&error, address),
            _ => {}
        }
        race
    }

    async fn run(mut self) -> Result<(TcpLink, SocketAddr), DialError> {
        // The first address, if there was one, has failed or is slow.
        let mut due = usize::from(self.running.is_empty() || self.is_due());
        loop {
            for _ in 0..due {
                if let Some(won) = self.next()? {
                    return Ok(won);
                }
            }
            due = 0;
            if self.deadline.is_some_and(|at| at <= self.shard.now()) {
                return Err(self.timed_out());
            }
            self.shard
                .park(earliest(self.deadline, self.next_at))
                .await?;
            let before = self.running.len();
            if let Some(won) = self.look() {
                return Ok(won);
            }
            due += before - self.running.len();
            due += usize::from(self.take_names());
            if due == 0 && self.is_due() {
                due = 1;
            }
        }
    }

    fn is_due(&self) -> bool {
        self.next_at.is_some_and(|at| at <= self.shard.now())
    }

    /// Tries the next address, or asks for some.
    fn next(&mut self) -> Result<Option<(TcpLink, SocketAddr)>, DialError> {
        self.next_at = None;
        while let Some(address) = self.waiting.pop_front() {
            match begin(self.shard, address, self.options) {
                Ok((link, true)) => return Ok(Some((link, address))),
                Ok((link, false)) => {
                    self.running.push((address, link));
                    if !self.waiting.is_empty() {
                        self.next_at = self.shard.now().checked_add(STAGGER);
                    }
                    return Ok(None);
                }
                Err(error) => self.failed(&error, address),
            }
        }
        match self.names {
            Names::Unresolved => {
                let lookup = Lookup::begin(self.shard, self.to, self.options.prefer_ipv6);
                self.names = Names::Resolving(lookup);
                if self.take_names() {
                    self.next()
                } else {
                    Ok(None)
                }
            }
            Names::Resolved if self.running.is_empty() => Err(self.over()),
            Names::Resolving(_) | Names::Resolved => Ok(None),
        }
    }

    /// The first of those under way that is connected; those that failed are noted.
    fn look(&mut self) -> Option<(TcpLink, SocketAddr)> {
        let mut at = 0;
        while let Some((_, link)) = self.running.get(at) {
            match state(link) {
                Ok(false) => at += 1,
                Ok(true) => {
                    let (address, link) = self.running.swap_remove(at);
                    return Some((link, address));
                }
                Err(error) => {
                    let (address, _) = self.running.remove(at);
                    self.failed(&error, address);
                }
            }
        }
        None
    }

    /// True: the resolver has answered just now.
    fn take_names(&mut self) -> bool {
        let Names::Resolving(lookup) = &self.names else {
            return false;
        };
        let Some(answer) = lookup.answer() else {
            return false;
        };
        self.names = Names::Resolved;
        match answer {
            Ok(addresses) => {
                let first = self.options.first;
                let others = addresses.into_iter().filter(|it| Some(*it) != first);
                self.waiting = others.collect();
            }
            Err(error) => {
                let text = format!("cannot resolve {}: {}", self.to.host, error.message);
                self.failures.push(text);
                self.cause = Some(error);
            }
        }
        true
    }

    fn failed(&mut self, error: &io::Error, address: SocketAddr) {
        let error = connect_error(error, address);
        self.failures.push(error.message.clone());
        self.cause = Some(error);
    }

    fn timed_out(&mut self) -> DialError {
        let text = format!("no answer within {} ms", self.options.timeout_ms);
        self.failures.push(text);
        self.cause = Some(SystemError {
            code: Some("ETIMEDOUT".to_owned()),
            message: "timed out".to_owned(),
        });
        self.over()
    }

    fn over(&mut self) -> DialError {
        let error = self.cause.take();
        let mut tried = self.failures.join("; ");
        if tried.is_empty() {
            tried = format!("{} has no address", self.to.host);
        }
        DialError::Failed { tried, error }
    }
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
