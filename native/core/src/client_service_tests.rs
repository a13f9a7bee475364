//! A client's service in a whole engine; server, visitors and local service are the test's.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use socket2::SockRef;

use super::ClientSessionStart;
use crate::counters::ServiceStats;
use crate::engine::{Engine, EngineOptions};
use crate::events::Event;
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::spec::{ClientRoutine, ClientServiceSpec, DialSpec, HostPort, ServiceType, TcpSpec};
use crate::upcall::{SessionId, StreamId, Upcall};

const CREATE: [u8; 4] = [0, 0, 0, 0];
const HEARTBEAT: [u8; 4] = [1, 0, 0, 0];
const HELLO: &[u8] = b"hello of a data channel";
const START: &[u8] = b"tcp!";
const SERVICE: u32 = 1;
const HANGS: Duration = Duration::from_secs(20);

fn routine() -> ClientRoutine {
    ClientRoutine {
        create: CREATE.into(),
        heartbeat: HEARTBEAT.into(),
        silence_timeout_ms: 0,
        hello: HELLO.into(),
        start: START.into(),
        other_start: b"udp!".into(),
    }
}

fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    SockRef::from(&listener)
        .set_read_timeout(Some(HANGS))
        .expect("a socket");
    listener
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a connection in time");
    stream.set_read_timeout(Some(HANGS)).expect("a socket");
    stream
}

fn address(listener: &TcpListener) -> HostPort {
    let address: SocketAddr = listener.local_addr().expect("an address");
    HostPort {
        host: address.ip().to_string(),
        port: address.port(),
    }
}

fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).expect("bytes in time");
    bytes
}

/// How the peer ended: `None` is its FIN.
fn end_of(stream: &mut TcpStream) -> Option<ErrorKind> {
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(0) => None,
        Ok(_) => panic!("bytes instead of an end"),
        Err(error) => Some(error.kind()),
    }
}

fn reset(stream: TcpStream) {
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .expect("a socket");
}

/// An engine with one service of a client, and what it talks to.
struct Client {
    engine: Engine,
    rang: Receiver<()>,
    seen: Vec<Upcall>,
    server: TcpListener,
    local: TcpListener,
    control: Option<TcpStream>,
    streams: StreamId,
}

impl Client {
    fn open(limits: Limits) -> Self {
        Self::with_threads(1, limits)
    }

    fn with_threads(threads: usize, limits: Limits) -> Self {
        let (ring, rang) = channel();
        let options = EngineOptions {
            limits,
            access_log: true,
            events: true,
            threads,
        };
        let engine = Engine::start(options, move || {
            let _ = ring.send(());
        })
        .expect("an engine");
        let (server, local) = (listener(), listener());
        let spec = ClientServiceSpec {
            name: "service".to_owned(),
            protocol: ServiceType::Tcp,
            local: address(&local),
            nodelay: None,
            prefer_ipv6: false,
        };
        engine.open_client_service(SERVICE, spec);
        Self {
            engine,
            rang,
            seen: Vec::new(),
            server,
            local,
            control: None,
            streams: 0,
        }
    }

    /// With a session; its stream has come, as the answer to a heartbeat would show.
    fn connected(limits: Limits) -> Self {
        let mut client = Self::open(limits);
        client.attach(1, routine());
        client
    }

    fn dial_spec(&self) -> DialSpec {
        DialSpec {
            remote: address(&self.server),
            prefer_ipv6: false,
            tcp: TcpSpec {
                nodelay: true,
                keepalive_ms: 20_000,
                keepalive_interval_ms: 8_000,
            },
        }
    }

    /// A control stream that is held.
    fn dial(&mut self) -> (StreamId, TcpStream) {
        self.streams += 1;
        let id = self.streams;
        self.engine.dial(id, self.dial_spec());
        self.upcall("a control stream", |upcall| match upcall {
            Upcall::Dialed { stream, .. } if *stream == id => Some(()),
            _ => None,
        });
        (id, accept(&self.server))
    }

    fn attach(&mut self, session: SessionId, routine: ClientRoutine) {
        let (stream, control) = self.dial();
        self.give(session, stream, routine);
        self.control = Some(control);
    }

    fn give(&self, session: SessionId, stream: StreamId, routine: ClientRoutine) {
        let start = ClientSessionStart {
            session,
            dial: self.dial_spec(),
            routine,
        };
        self.engine.attach_client(SERVICE, stream, None, start);
    }

    fn command(&mut self, command: [u8; 4]) {
        let control = self.control.as_mut().expect("a control channel");
        control.write_all(&command).expect("the client reads");
    }

    /// One more data channel, as the server has it: behind the hello.
    fn channel(&mut self) -> TcpStream {
        self.command(CREATE);
        let mut channel = accept(&self.server);
        assert_eq!(read(&mut channel, HELLO.len()), HELLO);
        channel
    }

    /// A visitor that is being served: both ends of it.
    fn visitor(&mut self) -> (TcpStream, TcpStream) {
        let mut channel = self.channel();
        channel
            .write_all(&[START, b"x"].concat())
            .expect("the client reads");
        let mut local = accept(&self.local);
        assert_eq!(read(&mut local, 1), b"x");
        (channel, local)
    }

    /// Waits for the first that fits, and takes it.
    fn upcall<T>(&mut self, what: &str, fits: impl Fn(&Upcall) -> Option<T>) -> T {
        loop {
            self.seen.extend(self.engine.take_upcalls());
            if let Some(at) = self.seen.iter().position(|upcall| fits(upcall).is_some()) {
                return fits(&self.seen.remove(at)).expect("it fitted just now");
            }
            let rang = self.rang.recv_timeout(HANGS);
            assert!(rang.is_ok(), "waited for {what}: {:?}", self.seen);
        }
    }

    fn event<T>(&mut self, what: &str, fits: impl Fn(&Event) -> Option<T>) -> T {
        self.upcall(what, |upcall| match upcall {
            Upcall::Events(events) => events.iter().find_map(&fits),
            _ => None,
        })
    }

    fn session_end(&mut self, session: SessionId) -> EndReason {
        self.upcall("the session's end", |upcall| match upcall {
            Upcall::SessionEnded {
                session: id,
                reason,
                ..
            } if *id == session => Some(*reason),
            _ => None,
        })
    }

    fn service_closed(&mut self) {
        self.upcall("the service's end", |upcall| {
            matches!(upcall, Upcall::ServiceClosed { service: SERVICE }).then_some(())
        });
    }

    /// Bytes in and out, and the reason.
    fn visitor_end(&mut self) -> (u64, u64, EndReason) {
        self.event("a visitor's end", |event| match event {
            Event::VisitorEnd {
                bytes_in,
                bytes_out,
                reason,
                ..
            } => Some((*bytes_in, *bytes_out, *reason)),
            _ => None,
        })
    }

    fn channel_failed(&mut self) -> (EndReason, String) {
        self.event("a failed channel", |event| match event {
            Event::ChannelFailed { reason, error, .. } => {
                Some((*reason, error.clone().unwrap_or_default()))
            }
            _ => None,
        })
    }

    fn stats(&self) -> ServiceStats {
        self.engine
            .stats()
            .services
            .into_iter()
            .next()
            .expect("the service")
    }

    fn until(&self, what: &str, is_so: impl Fn(&ServiceStats) -> bool) {
        for _ in 0..20_000 {
            if is_so(&self.stats()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("waited for {what}: {:?}", self.stats());
    }

    fn until_ended(&self, reason: EndReason, count: u64) {
        self.until(reason.code(), |stats| stats.ends.contains(&(reason, count)));
    }

    /// Nothing more is told of a session that has ended, nor of a service.
    fn assert_told_nothing(mut self) {
        self.engine.shutdown();
        self.seen.extend(self.engine.take_upcalls());
        let ends = |upcall: &&Upcall| {
            matches!(
                upcall,
                Upcall::SessionEnded { .. } | Upcall::ServiceClosed { .. }
            )
        };
        assert_eq!(self.seen.iter().filter(ends).count(), 0, "{:?}", self.seen);
    }
}

#[test]
fn carries_a_visitor_to_the_local_service_and_back() {
    let mut client = Client::connected(Limits::default());
    let mut channel = client.channel();
    client.until("a channel that waits", |stats| stats.pool_ready == 1);
    channel
        .write_all(&[START, b"ping"].concat())
        .expect("the client reads");
    let mut local = accept(&client.local);
    assert_eq!(read(&mut local, 4), b"ping");
    local.write_all(b"answer").expect("the client reads");
    assert_eq!(read(&mut channel, 6), b"answer");
    let stats = client.stats();
    assert_eq!(
        (stats.visitors_open, stats.visitors_total, stats.pool_ready),
        (1, 1, 0)
    );
    drop(channel);
    assert_eq!(end_of(&mut local), None);
    drop(local);
    assert_eq!(client.visitor_end(), (4, 6, EndReason::VisitorFin));
    let stats = client.stats();
    assert_eq!(
        (stats.visitors_open, stats.bytes_in, stats.bytes_out),
        (0, 4, 6)
    );
}

#[test]
fn understands_a_start_command_that_is_cut_at_every_byte() {
    let mut client = Client::connected(Limits::default());
    let bytes = [START, b"rest"].concat();
    for cut in 1..bytes.len() {
        let mut channel = client.channel();
        channel.set_nodelay(true).expect("a socket");
        channel.write_all(&bytes[..cut]).expect("the client reads");
        client.command(HEARTBEAT);
        channel.write_all(&bytes[cut..]).expect("the client reads");
        let mut local = accept(&client.local);
        assert_eq!(read(&mut local, 4), b"rest");
    }
}

#[test]
fn names_why_a_waiting_channel_ended() {
    let mut client = Client::connected(Limits::default());
    let mut other = client.channel();
    other.write_all(b"udp!").expect("the client reads");
    assert_eq!(client.channel_failed().0, EndReason::TypeMismatch);
    let mut unknown = client.channel();
    unknown.write_all(b"what").expect("the client reads");
    assert_eq!(client.channel_failed().0, EndReason::BadStart);
    drop(client.channel());
    client.until_ended(EndReason::ChannelEof, 1);
    reset(client.channel());
    client.until_ended(EndReason::StaleChannel, 1);
    assert_eq!(client.stats().pool_ready, 0);
}

#[test]
fn a_local_service_that_refuses_resets_the_channel() {
    let mut client = Client::connected(Limits::default());
    let HostPort { host, port } = address(&client.local);
    client.local = listener();
    let mut channel = client.channel();
    channel.write_all(START).expect("the client reads");
    assert_eq!(end_of(&mut channel), Some(ErrorKind::ConnectionReset));
    let error = client.event("a refusal", |event| match event {
        Event::VisitorRefused {
            reason: EndReason::LocalRefused,
            error,
            ..
        } => error.clone(),
        _ => None,
    });
    let tried = format!("connect ECONNREFUSED {host}:{port}");
    assert_eq!(error, format!("cannot connect to {host}:{port}: {tried}"));
    let stats = client.stats();
    assert_eq!((stats.visitors_open, stats.visitors_total), (0, 1));
    assert_eq!(stats.ends, [(EndReason::LocalRefused, 1)]);
}

#[test]
fn update_changes_where_visitors_are_carried() {
    let mut client = Client::connected(Limits::default());
    let next = listener();
    let change = crate::ClientServiceChange {
        local: Some(address(&next)),
        ..Default::default()
    };
    client.engine.update_client(SERVICE, change);
    let mut channel = client.channel();
    channel
        .write_all(&[START, b"moved"].concat())
        .expect("the client reads");
    assert_eq!(read(&mut accept(&next), 5), b"moved");
}

#[test]
fn refuses_visitors_beyond_the_limit() {
    let mut client = Client::connected(Limits {
        visitors_per_service: 1,
        ..Limits::default()
    });
    let _served = client.visitor();
    let mut channel = client.channel();
    channel.write_all(START).expect("the client reads");
    assert_eq!(end_of(&mut channel), Some(ErrorKind::ConnectionReset));
    assert_eq!(client.visitor_end(), (0, 0, EndReason::VisitorLimit));
    assert_eq!(client.stats().visitors_open, 1);
}

#[test]
fn gives_a_channel_up_that_cannot_be_dialled_in_time() {
    let mut client = Client::connected(Limits {
        dial_retry_ms: 150,
        ..Limits::default()
    });
    let HostPort { host, port } = address(&client.server);
    client.server = listener();
    client.command(CREATE);
    let (reason, error) = client.channel_failed();
    assert_eq!(reason, EndReason::DialFailed);
    let tried = format!("connect ECONNREFUSED {host}:{port}");
    assert_eq!(error, format!("cannot connect to {host}:{port}: {tried}"));
}

#[test]
fn dials_again_after_a_pause() {
    let mut client = Client::connected(Limits::default());
    let address = client.server.local_addr().expect("an address");
    client.server = listener();
    client.command(CREATE);
    client.command(HEARTBEAT);
    // It listens there again: one of the next tries finds it.
    client.server = TcpListener::bind(address).expect("the port is free again");
    let mut channel = accept(&client.server);
    assert_eq!(read(&mut channel, HELLO.len()), HELLO);
}

#[test]
fn refuses_requests_beyond_what_may_wait() {
    let limits = Limits {
        dials_at_once: 1,
        dials_waiting: 3,
        ..Limits::default()
    };
    let mut client = Client::connected(limits);
    let control = client.control.as_mut().expect("a control channel");
    control
        .write_all(&CREATE.repeat(100))
        .expect("the client reads");
    let (reason, error) = client.channel_failed();
    assert_eq!(
        (reason, error.as_str()),
        (EndReason::DialLimit, "more than 3 channels are waiting")
    );
    let held: Vec<TcpStream> = (0..3).map(|_| accept(&client.server)).collect();
    client.until("every request's end", |stats| {
        let refused: u64 = stats.ends.iter().map(|(_, count)| count).sum();
        refused as usize + stats.pool_ready == 100
    });
    drop(held);
}

#[test]
fn holds_no_more_channels_than_it_may() {
    let mut client = Client::connected(Limits {
        channels_per_service: 2,
        ..Limits::default()
    });
    let _held = (client.channel(), client.channel());
    client.until("two channels", |stats| stats.pool_ready == 2);
    client.command(CREATE);
    let expected = "2 channels are held or being dialled".to_owned();
    assert_eq!(client.channel_failed(), (EndReason::DialLimit, expected));
}

#[test]
fn a_channel_that_is_reset_ends_the_dial_of_the_local_service() {
    let mut client = Client::connected(Limits::default());
    // Its backlog is full: the connect stays under way.
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let silent = silent.expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("a literal");
    silent.bind(&any.into()).expect("a port");
    silent.listen(0).expect("a listener");
    let silent = TcpListener::from(silent);
    let at = silent.local_addr().expect("an address");
    let connect = || TcpStream::connect_timeout(&at, Duration::from_millis(200)).ok();
    let fillers: Vec<_> = std::iter::from_fn(connect).collect();
    let change = crate::ClientServiceChange {
        local: Some(address(&silent)),
        ..Default::default()
    };
    client.engine.update_client(SERVICE, change);
    let mut channel = client.channel();
    channel.write_all(START).expect("the client reads");
    client.until("a visitor", |stats| stats.visitors_open == 1);
    reset(channel);
    assert_eq!(client.visitor_end(), (0, 0, EndReason::ChannelReset));
    drop(fillers);
}

#[test]
fn a_newer_session_replaces_the_older() {
    let mut client = Client::connected(Limits::default());
    let (_channel, _local) = client.visitor();
    let mut older = client.control.take().expect("a control channel");
    client.attach(2, routine());
    assert_eq!(client.session_end(1), EndReason::Replaced);
    assert_eq!(end_of(&mut older), None);
    client.channel();
    assert_eq!(client.stats().visitors_open, 1);
    client.engine.detach(SERVICE, EndReason::ServiceClosed);
    assert_eq!(client.session_end(2), EndReason::ServiceClosed);
    client.assert_told_nothing();
}

#[test]
fn closes_what_waits_a_while_after_its_session() {
    let limits = Limits {
        orphan_grace_ms: 30,
        ..Limits::default()
    };
    let mut client = Client::connected(limits);
    let (mut one, mut two) = (client.channel(), client.channel());
    client.control = None;
    assert_eq!(client.session_end(1), EndReason::ControlEof);
    assert_eq!((end_of(&mut one), end_of(&mut two)), (None, None));
    client.until_ended(EndReason::SessionEnd, 2);
}

#[test]
fn serves_what_is_started_within_the_grace() {
    let mut client = Client::connected(Limits::default());
    let mut channel = client.channel();
    client.control = None;
    assert_eq!(client.session_end(1), EndReason::ControlEof);
    channel
        .write_all(&[START, b"late"].concat())
        .expect("the client reads");
    assert_eq!(read(&mut accept(&client.local), 4), b"late");
}

#[test]
fn ends_a_session_that_is_silent() {
    let mut client = Client::open(Limits::default());
    client.attach(
        1,
        ClientRoutine {
            silence_timeout_ms: 40,
            ..routine()
        },
    );
    assert_eq!(client.session_end(1), EndReason::HeartbeatTimeout);
    client.assert_told_nothing();
}

#[test]
fn hands_up_what_it_does_not_know_and_goes_on_after_resume() {
    let mut client = Client::connected(Limits::default());
    let control = client.control.as_mut().expect("a control channel");
    control
        .write_all(&[CREATE, *b"what", CREATE].concat())
        .expect("the client reads");
    client.upcall("surplus", |upcall| {
        matches!(upcall, Upcall::Surplus { session: 1, .. }).then_some(())
    });
    let _first = accept(&client.server);
    client.engine.stream_read(1, 4);
    let bytes = client.upcall("the bytes", |upcall| match upcall {
        Upcall::StreamRead { bytes, .. } => Some(bytes.clone()),
        _ => None,
    });
    assert_eq!(bytes, b"what");
    client.engine.resume_client(SERVICE, routine());
    let _second = accept(&client.server);
    client.channel();
}

#[test]
fn close_lets_visitors_finish() {
    let mut client = Client::connected(Limits {
        orphan_grace_ms: 10,
        ..Limits::default()
    });
    let (mut channel, mut local) = client.visitor();
    let mut idle = client.channel();
    client
        .engine
        .close_service(SERVICE, EndReason::ServiceClosed, None);
    assert_eq!(client.session_end(1), EndReason::ServiceClosed);
    assert_eq!(end_of(&mut idle), None);
    local.write_all(b"bye").expect("the client reads");
    assert_eq!(read(&mut channel, 3), b"bye");
    drop((channel, local));
    client.service_closed();
    assert_eq!(client.stats().visitors_open, 0);
    client.assert_told_nothing();
}

#[test]
fn close_aborts_what_is_left_at_the_deadline() {
    let mut client = Client::connected(Limits::default());
    let (mut channel, mut local) = client.visitor();
    let mut idle = client.channel();
    client
        .engine
        .close_service(SERVICE, EndReason::Drain, Some(30));
    client.service_closed();
    assert_eq!(end_of(&mut channel), Some(ErrorKind::ConnectionReset));
    assert_eq!(end_of(&mut local), Some(ErrorKind::ConnectionReset));
    assert_eq!(end_of(&mut idle), None);
    assert_eq!(client.session_end(1), EndReason::Drain);
    assert_eq!(client.stats().ends, [(EndReason::Drain, 2)]);
    client.assert_told_nothing();
}

#[test]
fn destroy_aborts_at_once_also_while_closing() {
    let mut client = Client::connected(Limits::default());
    let (mut channel, _local) = client.visitor();
    let _idle = client.channel();
    client
        .engine
        .close_service(SERVICE, EndReason::ServiceClosed, None);
    client.engine.destroy_service(SERVICE);
    client.service_closed();
    assert_eq!(end_of(&mut channel), Some(ErrorKind::ConnectionReset));
    assert_eq!(client.session_end(1), EndReason::ServiceClosed);
    assert_eq!(client.stats().ends, [(EndReason::Destroyed, 2)]);
    client.assert_told_nothing();
}

#[test]
fn a_service_that_is_closing_takes_no_session() {
    let mut client = Client::connected(Limits::default());
    let _served = client.visitor();
    client
        .engine
        .close_service(SERVICE, EndReason::ServiceClosed, None);
    let mut control = {
        let (stream, control) = client.dial();
        client.give(2, stream, routine());
        control
    };
    assert_eq!(client.session_end(2), EndReason::ServiceClosed);
    assert_eq!(end_of(&mut control), None);
    assert_eq!(client.session_end(1), EndReason::ServiceClosed);
    client.assert_told_nothing();
}

/// The stream is still on its way to the service's shard when these come.
#[test]
fn a_session_that_ends_before_its_stream_has_come_is_told_once() {
    type End = fn(&Client);
    let ends: [(End, EndReason); 4] = [
        (
            |client| client.engine.detach(SERVICE, EndReason::ControlData),
            EndReason::ControlData,
        ),
        (
            |client| {
                client
                    .engine
                    .close_service(SERVICE, EndReason::ServiceClosed, None)
            },
            EndReason::ServiceClosed,
        ),
        (
            |client| client.engine.destroy_service(SERVICE),
            EndReason::Destroyed,
        ),
        (
            |client| client.engine.stream_destroy(1, EndReason::ControlData),
            EndReason::ControlData,
        ),
    ];
    for (end, reason) in ends {
        for threads in [1, 2] {
            let mut client = Client::with_threads(threads, Limits::default());
            let (stream, mut control) = client.dial();
            client.give(1, stream, routine());
            end(&client);
            assert_eq!(client.session_end(1), reason);
            assert_eq!(end_of(&mut control), None);
            if matches!(reason, EndReason::ServiceClosed | EndReason::Destroyed) {
                client.service_closed();
            }
            client.assert_told_nothing();
        }
    }
}

#[test]
fn a_stream_that_had_ended_before_ends_its_session() {
    let mut client = Client::open(Limits::default());
    let (stream, control) = client.dial();
    drop(control);
    client.upcall("the stream's end", |upcall| {
        matches!(upcall, Upcall::StreamEnded { .. }).then_some(())
    });
    let start = ClientSessionStart {
        session: 1,
        dial: client.dial_spec(),
        routine: routine(),
    };
    client
        .engine
        .attach_client(SERVICE, stream, Some(EndReason::HandshakeEof), start);
    assert_eq!(client.session_end(1), EndReason::HandshakeEof);
    client.assert_told_nothing();
}
