//! A client's engine for tests, with what it talks to: server, local service, and sockets that
//! refuse or are silent.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::client_service::ClientSessionStart;
use crate::counters::ServiceStats;
use crate::engine::{Engine, EngineOptions};
use crate::events::Event;
use crate::limits::Limits;
use crate::reason::EndReason;
use crate::spec::{
    CarrierSpec, ClientRoutine, ClientServiceSpec, DialSpec, HostPort, ServiceType, TcpSpec,
    TransportSpec,
};
use crate::upcall::{SessionId, StreamId, Upcall};

pub(crate) const CREATE: [u8; 4] = [0, 0, 0, 0];
pub(crate) const HEARTBEAT: [u8; 4] = [1, 0, 0, 0];
pub(crate) const HELLO: &[u8] = b"hello of a data channel";
pub(crate) const START: &[u8] = b"tcp!";
pub(crate) const SERVICE: u32 = 1;
pub(crate) const HANGS: Duration = Duration::from_secs(20);

pub(crate) fn routine() -> ClientRoutine {
    ClientRoutine {
        create: CREATE.into(),
        heartbeat: HEARTBEAT.into(),
        silence_timeout_ms: 0,
        hello: HELLO.into(),
        start: START.into(),
        other_start: b"udp!".into(),
        reuse: None,
        goodbye: Vec::new(),
    }
}

pub(crate) fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    SockRef::from(&listener)
        .set_read_timeout(Some(HANGS))
        .expect("a socket");
    listener
}

pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a connection in time");
    stream.set_read_timeout(Some(HANGS)).expect("a socket");
    stream
}

pub(crate) fn host_port(address: SocketAddr) -> HostPort {
    HostPort {
        host: address.ip().to_string(),
        port: address.port(),
    }
}

/// Where it listens.
pub(crate) fn address(listener: &TcpListener) -> HostPort {
    host_port(listener.local_addr().expect("an address"))
}

pub(crate) fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).expect("bytes in time");
    bytes
}

/// How the peer ended: `None` is its FIN.
pub(crate) fn end_of(stream: &mut TcpStream) -> Option<ErrorKind> {
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(0) => None,
        Ok(_) => panic!("bytes instead of an end"),
        Err(error) => Some(error.kind()),
    }
}

/// RST.
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .expect("a socket");
    drop(stream);
}

/// Nobody listens there, nor will anybody while this lives: a connection has the port.
pub(crate) struct Refusing {
    pub(crate) address: SocketAddr,
    _ends: (TcpStream, TcpStream),
}

impl Refusing {
    pub(crate) fn open() -> Self {
        let listener = listener();
        let address = listener.local_addr().expect("an address");
        let near = TcpStream::connect(address).expect("loopback connects");
        Self {
            address,
            _ends: (near, accept(&listener)),
        }
    }
}

/// An address that neither accepts nor refuses: its backlog is full.
pub(crate) struct Silent {
    pub(crate) address: SocketAddr,
    _listener: Socket,
    _fillers: Vec<TcpStream>,
}

impl Silent {
    pub(crate) fn open() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any: SocketAddr = "127.0.0.1:0".parse().expect("a literal");
        listener.bind(&any.into()).expect("a port");
        listener.listen(0).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let address = address.as_socket().expect("an IPv4 address");
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200));
        let fillers = std::iter::from_fn(|| connect().ok()).collect();
        Self {
            address,
            _listener: listener,
            _fillers: fillers,
        }
    }
}

/// An engine with one service of a client, and what it talks to.
pub(crate) struct Client {
    pub(crate) engine: Engine,
    rang: Receiver<()>,
    seen: Vec<Upcall>,
    pub(crate) server: TcpListener,
    pub(crate) local: TcpListener,
    pub(crate) control: Option<TcpStream>,
    streams: StreamId,
}

impl Client {
    pub(crate) fn open(limits: Limits) -> Self {
        Self::with_threads(1, limits)
    }

    pub(crate) fn with_threads(threads: usize, limits: Limits) -> Self {
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
    pub(crate) fn connected(limits: Limits) -> Self {
        let mut client = Self::open(limits);
        client.attach(1, routine());
        client
    }

    pub(crate) fn dial_spec(&self) -> DialSpec {
        DialSpec {
            remote: address(&self.server),
            prefer_ipv6: false,
            transport: TransportSpec {
                tcp: TcpSpec {
                    nodelay: true,
                    keepalive_ms: 20_000,
                    keepalive_interval_ms: 8_000,
                },
                carrier: CarrierSpec::Tcp,
            },
            proxy: None,
        }
    }

    /// A control stream that is held.
    pub(crate) fn dial(&mut self) -> (StreamId, TcpStream) {
        self.streams += 1;
        let id = self.streams;
        self.engine.dial(id, self.dial_spec());
        self.upcall("a control stream", |upcall| match upcall {
            Upcall::Dialed { stream, .. } if *stream == id => Some(()),
            _ => None,
        });
        (id, accept(&self.server))
    }

    pub(crate) fn attach(&mut self, session: SessionId, routine: ClientRoutine) {
        let (stream, control) = self.dial();
        self.give(session, stream, routine);
        self.control = Some(control);
    }

    pub(crate) fn give(&self, session: SessionId, stream: StreamId, routine: ClientRoutine) {
        let start = ClientSessionStart {
            session,
            dial: self.dial_spec(),
            routine,
        };
        self.engine.attach_client(SERVICE, stream, None, start);
    }

    pub(crate) fn command(&mut self, command: [u8; 4]) {
        let control = self.control.as_mut().expect("a control channel");
        control.write_all(&command).expect("the client reads");
    }

    /// One more data channel, as the server has it: behind the hello.
    pub(crate) fn channel(&mut self) -> TcpStream {
        self.command(CREATE);
        let mut channel = accept(&self.server);
        assert_eq!(read(&mut channel, HELLO.len()), HELLO);
        channel
    }

    /// A visitor that is being served: both ends of it.
    pub(crate) fn visitor(&mut self) -> (TcpStream, TcpStream) {
        let mut channel = self.channel();
        channel
            .write_all(&[START, b"x"].concat())
            .expect("the client reads");
        let mut local = accept(&self.local);
        assert_eq!(read(&mut local, 1), b"x");
        (channel, local)
    }

    /// Waits for the first that fits, and takes it.
    pub(crate) fn upcall<T>(&mut self, what: &str, fits: impl Fn(&Upcall) -> Option<T>) -> T {
        loop {
            self.seen.extend(self.engine.take_upcalls());
            if let Some(at) = self.seen.iter().position(|upcall| fits(upcall).is_some()) {
                return fits(&self.seen.remove(at)).expect("it fitted just now");
            }
            let rang = self.rang.recv_timeout(HANGS);
            assert!(rang.is_ok(), "waited for {what}: {:?}", self.seen);
        }
    }

    pub(crate) fn event<T>(&mut self, what: &str, fits: impl Fn(&Event) -> Option<T>) -> T {
        self.upcall(what, |upcall| match upcall {
            Upcall::Events(events) => events.iter().find_map(&fits),
            _ => None,
        })
    }

    pub(crate) fn session_end(&mut self, session: SessionId) -> EndReason {
        self.upcall("the session's end", |upcall| match upcall {
            Upcall::SessionEnded {
                session: id,
                reason,
                ..
            } if *id == session => Some(*reason),
            _ => None,
        })
    }

    pub(crate) fn service_closed(&mut self) {
        self.upcall("the service's end", |upcall| {
            matches!(upcall, Upcall::ServiceClosed { service: SERVICE }).then_some(())
        });
    }

    /// Bytes in and out, and the reason.
    pub(crate) fn visitor_end(&mut self) -> (u64, u64, EndReason) {
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

    pub(crate) fn channel_failed(&mut self) -> (EndReason, String) {
        self.event("a failed channel", |event| match event {
            Event::ChannelFailed { reason, error, .. } => {
                Some((*reason, error.clone().unwrap_or_default()))
            }
            _ => None,
        })
    }

    pub(crate) fn stats(&self) -> ServiceStats {
        self.engine
            .stats()
            .services
            .into_iter()
            .next()
            .expect("the service")
    }

    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&ServiceStats) -> bool) {
        for _ in 0..20_000 {
            if is_so(&self.stats()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("waited for {what}: {:?}", self.stats());
    }

    pub(crate) fn until_ended(&self, reason: EndReason, count: u64) {
        self.until(reason.code(), |stats| stats.ends.contains(&(reason, count)));
    }

    /// Nothing more is told of a session that has ended, nor of a service.
    pub(crate) fn assert_told_nothing(mut self) {
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
