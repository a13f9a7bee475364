//! A server's and a client's service on shards of a test, with channels between them and their control
//! streams joined: all of a tunnel but its handshakes. Visitors and local services are the test's.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::channel::{Channel, Home};
use crate::client_scene::{host_port, routine};
use crate::client_service::{ClientService, ClientSessionStart};
use crate::context::{Context, ServiceFacts, SharedFacts};
use crate::control_stream::tests::held;
use crate::frames::tests::TYPES;
use crate::limits::Limits;
use crate::link::Link;
use crate::reason::EndReason;
use crate::server_service::{ServerService, ServerSessionStart};
use crate::shard::{Service, Shard};
use crate::spec::{
    CarrierSpec, ClientRoutine, ClientServiceChange, ClientServiceSpec, DialSpec, HostPort,
    ReuseRules, ServerRoutine, ServerServiceSpec, ServiceType, TcpSpec, TransportSpec,
};
use crate::testing::TestShards;
use crate::transport::scene::{Carrier, carriers, connect, pair, tcp_link};
use crate::upcall::Upcall;

const SERVER: u32 = 1;
const CLIENT: u32 = 2;
const HANGS: Duration = Duration::from_secs(30);

/// What is below the uses of a channel; `None`: plain TCP.
pub(super) type Below = Option<Carrier>;

pub(super) fn belows() -> Vec<Below> {
    let carriers = carriers().into_iter().map(Some);
    std::iter::once(None).chain(carriers).collect()
}

pub(super) fn name(below: &Below) -> &'static str {
    below.as_ref().map_or("tcp", |carrier| carrier.name)
}

pub(super) struct Scene {
    pub(super) shards: TestShards,
    pub(super) server: SharedFacts,
    pub(super) client: SharedFacts,
    /// Channels that were opened.
    pub(super) made: Arc<AtomicUsize>,
    pub(super) public: SocketAddr,
    pub(super) local: TcpListener,
    below: &'static str,
}

/// Channels here wait for START from the beginning, without a command ahead of it.
fn reuse() -> Option<ReuseRules> {
    Some(ReuseRules {
        start: Vec::new(),
        addresses: true,
        frames: Some(TYPES),
    })
}

fn server_routine() -> ServerRoutine {
    ServerRoutine {
        create: vec![0; 4],
        heartbeat: vec![1; 4],
        heartbeat_interval_ms: 0,
        start: vec![3; 4],
        reuse: reuse(),
        goodbye: Vec::new(),
    }
}

fn client_routine() -> ClientRoutine {
    ClientRoutine {
        hello: Vec::new(),
        reuse: reuse(),
        ..routine()
    }
}

/// Nobody is dialled: channels come from the test.
fn dial_spec() -> DialSpec {
    DialSpec {
        remote: host_port(SocketAddr::from(([127, 0, 0, 1], 1))),
        prefer_ipv6: false,
        transport: TransportSpec {
            tcp: TcpSpec {
                nodelay: true,
                keepalive_ms: 0,
                keepalive_interval_ms: 0,
            },
            carrier: CarrierSpec::Tcp,
        },
        proxy: None,
    }
}

/// Small ones make reads and writes short.
fn set_buffers(socket: &SockRef<'_>, bytes: Option<usize>) {
    if let Some(bytes) = bytes {
        socket.set_send_buffer_size(bytes).expect("a socket");
        socket.set_recv_buffer_size(bytes).expect("a socket");
    }
}

fn service(shard: &Shard, id: u32) -> Service {
    let service = shard.services.borrow().get(&id).cloned();
    service.expect("it is open")
}

fn server_of(shard: &Shard) -> Rc<ServerService> {
    match service(shard, SERVER) {
        Service::Server(it) => it,
        Service::Client(_) => panic!("the server's"),
    }
}

fn client_of(shard: &Shard) -> Rc<ClientService> {
    match service(shard, CLIENT) {
        Service::Client(it) => it,
        Service::Server(_) => panic!("the client's"),
    }
}

/// The client's and the server's end.
pub(super) async fn open_channel(
    shard: &Rc<Shard>,
    below: &Below,
    buffers: Option<usize>,
) -> (Link, Link) {
    let links = match below {
        Some(carrier) => connect(shard, carrier).await,
        None => {
            let (dialled, accepted) = pair();
            let link = |stream| Link::from(tcp_link(shard, stream));
            (link(dialled), link(accepted))
        }
    };
    for link in [&links.0, &links.1] {
        let tcp = match link {
            Link::Tcp(tcp) => tcp,
            Link::Coded(coded) => coded.tcp(),
            Link::Reused(_) => panic!("a channel below"),
        };
        let set = tcp.write_with(|socket| {
            set_buffers(&SockRef::from(socket), buffers);
            Ok(0)
        });
        set.expect("a fresh socket");
    }
    links
}

async fn make_channel(shard: Rc<Shard>, facts: SharedFacts, below: Below, buffers: Option<usize>) {
    let (dialled, accepted) = open_channel(&shard, &below, buffers).await;
    // As if it had been put to use before.
    let home = Home::new(&facts, 2, shard.now());
    client_of(&shard).channel_back(Channel::idle(dialled, home));
    server_of(&shard).channel(1, accepted);
}

/// Gives what the one end says on its control channel to the other; channels that the server asks for
/// are made.
fn join_control(
    context: &Arc<Context>,
    (server, client): (TcpStream, TcpStream),
    make: impl Fn(&Context) + Send + 'static,
) {
    for stream in [&server, &client] {
        stream.set_nonblocking(false).expect("a socket");
    }
    let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
    let (mut from_client, mut to_server) = (clone(&client), clone(&server));
    thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
    let (mut from_server, mut to_client) = (server, client);
    let context = Arc::clone(context);
    // Until the shards end.
    thread::spawn(move || -> std::io::Result<()> {
        loop {
            let mut head = [0; 4];
            from_server.read_exact(&mut head)?;
            let length = usize::from(head[1]);
            let mut payload = vec![0; length];
            from_server.read_exact(&mut payload)?;
            if head[0] == TYPES.channels {
                let count = u16::from_le_bytes([payload[0], payload[1]]);
                (0..count).for_each(|_| make(&context));
            } else {
                to_client.write_all(&[&head[..], &payload].concat())?;
            }
        }
    });
}

impl Scene {
    pub(super) fn open(below: &Below, floor: usize, buffers: Option<usize>) -> Self {
        Self::over(1, below, floor, buffers)
    }

    pub(super) fn over(shards: usize, below: &Below, floor: usize, buffers: Option<usize>) -> Self {
        let limits = Limits {
            pool_floor: floor,
            ..Limits::default()
        };
        let shards = TestShards::several(shards, limits);
        let local = listener(buffers);
        let to = host_port(local.local_addr().expect("an address"));
        let facts = |id, name| Arc::new(ServiceFacts::new(id, name, ServiceType::Tcp, 0));
        let (server, client) = (facts(SERVER, "server"), facts(CLIENT, "client"));
        let known = (Arc::clone(&server), Arc::clone(&client));
        let control = shards.run(move |shard| async move {
            let server = ServerService::open(&shard, known.0, server_spec());
            let client = ClientService::open(&shard, known.1, client_spec(to));
            {
                let mut services = shard.services.borrow_mut();
                services.insert(SERVER, Service::Server(Rc::clone(&server)));
                services.insert(CLIENT, Service::Client(Rc::clone(&client)));
            }
            let (of_client, client_peer) = held(&shard).await;
            client.attach(ClientSessionStart {
                session: 2,
                dial: dial_spec(),
                routine: client_routine(),
            });
            client.arrive(2, Ok(of_client));
            let (of_server, server_peer) = held(&shard).await;
            server.attach(ServerSessionStart {
                session: 1,
                key: vec![7; 32],
                routine: server_routine(),
            });
            server.arrive(1, Ok(of_server));
            (server_peer, client_peer)
        });
        let made = Arc::new(AtomicUsize::new(0));
        let carrier = name(below);
        let (below, count) = (below.clone(), Arc::clone(&made));
        let known = Arc::clone(&client);
        join_control(&shards.context, control, move |context| {
            count.fetch_add(1, SeqCst);
            let (below, known) = (below.clone(), Arc::clone(&known));
            context.remote(0).post(move |shard| {
                let made = make_channel(Rc::clone(shard), known, below, buffers);
                shard.spawn("make a channel", made);
            });
        });
        let public = public_address(&shards);
        Self {
            shards,
            server,
            client,
            made,
            public,
            local,
            below: carrier,
        }
    }

    /// For messages.
    pub(super) fn state(&self) -> String {
        let used = |facts: &ServiceFacts| facts.channels_used.load(SeqCst);
        let used = (used(&self.server), used(&self.client));
        let (below, ends, idle) = (self.below, self.ends(), self.idle());
        format!("{below}: ends {ends:?}, idle {idle:?}, used {used:?}")
    }

    pub(super) fn channels_made(&self) -> usize {
        self.made.load(SeqCst)
    }

    /// Idle ones: at the server, at the client.
    pub(super) fn idle(&self) -> (usize, usize) {
        let ready = |facts: &ServiceFacts| facts.counters.pool_ready.load(SeqCst);
        (ready(&self.server), ready(&self.client))
    }

    /// No visitor, and no channel that is neither idle nor closed.
    pub(super) fn until_quiet(&self, what: &str) {
        let facts = [Arc::clone(&self.server), Arc::clone(&self.client)];
        self.shards.until(what, move |_| {
            let is_quiet = |it: &ServiceFacts| it.busy() == 0 && it.channels_used.load(SeqCst) == 0;
            let ready = |it: &ServiceFacts| it.counters.pool_ready.load(SeqCst);
            let asked = facts[0].counters.pool_requested.load(SeqCst);
            facts.iter().all(|it| is_quiet(it))
                && asked == 0
                && ready(&facts[0]) == ready(&facts[1])
        });
    }

    pub(super) fn until(&self, what: &str, is_so: impl Fn(&Shard) -> bool + Send + 'static) {
        self.shards.until(what, is_so);
    }

    /// How visitors have ended: at the server, at the client.
    pub(super) fn ends(&self) -> [Vec<(EndReason, u64)>; 2] {
        [&self.server, &self.client].map(|facts| facts.counters.ends.snapshot())
    }

    /// A visitor that is served, and its connection at the local service.
    pub(super) fn visitor(&self) -> (TcpStream, TcpStream) {
        let visitor = dial(self.public, None);
        (visitor, accept(&self.local))
    }

    pub(super) fn carry_to(&self, local: SocketAddr) {
        self.shards.call(move |shard| {
            client_of(shard).update(ClientServiceChange {
                local: Some(host_port(local)),
                ..ClientServiceChange::default()
            });
        });
    }
}

fn server_spec() -> ServerServiceSpec {
    ServerServiceSpec {
        name: "server".to_owned(),
        protocol: ServiceType::Tcp,
        bind: host_port(SocketAddr::from(([127, 0, 0, 1], 0))),
        nodelay: None,
    }
}

fn client_spec(local: HostPort) -> ClientServiceSpec {
    ClientServiceSpec {
        name: "client".to_owned(),
        protocol: ServiceType::Tcp,
        local,
        nodelay: None,
        prefer_ipv6: false,
    }
}

fn public_address(shards: &TestShards) -> SocketAddr {
    for _ in 0..20_000 {
        let found = shards
            .upcalls()
            .into_iter()
            .find_map(|upcall| match upcall {
                Upcall::Address { address, .. } => address,
                _ => None,
            });
        if let Some(address) = found {
            return address;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("the service is not bound");
}

/// What it accepts has its buffers.
fn listener(buffers: Option<usize>) -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    set_buffers(&SockRef::from(&socket), buffers);
    let any: SocketAddr = "127.0.0.1:0".parse().expect("a literal");
    socket.bind(&any.into()).expect("a port");
    socket.listen(1_024).expect("a listener");
    socket.set_read_timeout(Some(HANGS)).expect("a socket");
    socket.into()
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a connection in time");
    patient(stream)
}

pub(super) fn dial(address: SocketAddr, buffers: Option<usize>) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    set_buffers(&SockRef::from(&socket), buffers);
    socket.connect(&address.into()).expect("loopback connects");
    patient(socket.into())
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(HANGS)).expect("a socket");
    stream.set_write_timeout(Some(HANGS)).expect("a socket");
    stream.set_nodelay(true).expect("a socket");
    stream
}

pub(super) fn reset(stream: TcpStream) {
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .expect("a socket");
    drop(stream);
}

// -- visitors whose every byte is tagged ----------------------------------------------------------

/// Bytes of one direction of one visitor: none of them is a function of its place alone.
fn tagged(tag: u64, from: usize, bytes: &mut [u8]) {
    for (byte, at) in bytes.iter_mut().zip(from as u64..) {
        let mut mixed = (tag << 32 | at >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^= mixed >> 29;
        mixed = mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        *byte = (mixed >> (8 * (at & 7))) as u8;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Fin,
    /// Instead of its FIN.
    Reset,
}

/// What one side of a visitor does.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) length: usize,
    pub(super) chunk: usize,
    pub(super) end: End,
    /// It says nothing until the other side has ended.
    pub(super) waits: bool,
    pub(super) read_size: usize,
    /// It rests for a moment after so many reads; 0: never.
    pub(super) rest_every: usize,
}

/// A visitor, and the local service that it meets.
#[derive(Clone, Debug)]
pub(super) struct Play {
    pub(super) visitor: Side,
    pub(super) local: Side,
    /// Before anything is said.
    pub(super) pause: Duration,
}

/// What a side has met.
#[derive(Clone, Copy, Debug)]
struct Met {
    read: usize,
    end: End,
}

/// Writes, then ends. False: the connection broke.
fn say(mut stream: TcpStream, tag: u64, side: &Side) -> bool {
    let mut sent = 0;
    let mut bytes = vec![0; side.chunk.max(1)];
    while sent < side.length {
        let now = bytes.len().min(side.length - sent);
        tagged(tag, sent, &mut bytes[..now]);
        match stream.write_all(&bytes[..now]) {
            Ok(()) => sent += now,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!(
                    "visitor {tag:x} hangs after {sent} bytes of {}",
                    side.length
                )
            }
            Err(_) => return false,
        }
    }
    side.end == End::Reset || stream.shutdown(Shutdown::Write).is_ok()
}

/// Reads to the end, and knows every byte.
fn hear(mut stream: &TcpStream, tag: u64, side: &Side) -> Met {
    let mut buffer = vec![0; side.read_size.max(1)];
    let mut expected = buffer.clone();
    let (mut read, mut reads) = (0, 0);
    loop {
        let length = match stream.read(&mut buffer) {
            Ok(0) => {
                break Met {
                    read,
                    end: End::Fin,
                };
            }
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!("visitor {tag:x} waits after {read} bytes")
            }
            Err(_) => {
                break Met {
                    read,
                    end: End::Reset,
                };
            }
        };
        tagged(tag, read, &mut expected[..length]);
        assert!(
            buffer[..length] == expected[..length],
            "foreign bytes within {length} behind {read} of visitor {tag:x}"
        );
        read += length;
        reads += 1;
        if side.rest_every > 0 && reads % side.rest_every == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Plays one side to its end; says `own` and hears `other`.
fn play_side(stream: TcpStream, side: &Side, tags: (u64, u64)) -> Met {
    let met = say_and_hear(&stream, side, tags);
    // Which is its reset, where it has one.
    drop(stream);
    met
}

fn say_and_hear(stream: &TcpStream, side: &Side, (own, other): (u64, u64)) -> Met {
    if side.waits {
        let mut met = hear(stream, other, side);
        if met.end == End::Fin && !say_and_end(stream, own, side) {
            met.end = End::Reset;
        }
        return met;
    }
    let writer = {
        let (stream, side) = (stream.try_clone().expect("a descriptor"), side.clone());
        thread::spawn(move || say_and_end(&stream, own, &side))
    };
    if side.end == End::Reset {
        writer.join().expect("it writes");
        return Met {
            read: 0,
            end: End::Reset,
        };
    }
    let mut met = hear(stream, other, side);
    if !writer.join().expect("it writes") {
        // The one that meets RST first takes it away.
        met.end = End::Reset;
    }
    met
}

fn say_and_end(stream: &TcpStream, tag: u64, side: &Side) -> bool {
    let spoke = say(stream.try_clone().expect("a descriptor"), tag, side);
    if side.end == End::Reset {
        SockRef::from(stream)
            .set_linger(Some(Duration::ZERO))
            .expect("a socket");
    }
    spoke
}

/// By their tags; the local service tells that it was met, and then what it has met.
type Plays = Mutex<HashMap<u64, (Play, mpsc::Sender<Option<Met>>)>>;

/// Where visitors meet the local service that knows what they play.
pub(super) struct Stage {
    plays: Arc<Plays>,
    public: SocketAddr,
    buffers: Option<usize>,
}

impl Stage {
    pub(super) fn new(scene: &Scene, buffers: Option<usize>) -> Self {
        let plays: Arc<Plays> = Arc::default();
        let (known, local) = (
            Arc::clone(&plays),
            scene.local.try_clone().expect("a descriptor"),
        );
        thread::spawn(move || {
            while let Ok((stream, _)) = local.accept() {
                let known = Arc::clone(&known);
                thread::spawn(move || serve(patient(stream), &known));
            }
        });
        Self {
            plays,
            public: scene.public,
            buffers,
        }
    }

    /// Plays one visitor to its end, and checks all that is met at both its sides.
    pub(super) fn play(&self, tag: u64, play: &Play) {
        let (told, tells) = mpsc::channel();
        self.plays
            .lock()
            .expect("no panic")
            .insert(tag, (play.clone(), told));
        let mut stream = dial(self.public, self.buffers);
        stream.write_all(&tag.to_le_bytes()).expect("room");
        // Else its reset may take its first bytes away, and nobody knows of it.
        if play.visitor.end == End::Reset {
            tells.recv_timeout(HANGS).expect("its local service");
        }
        thread::sleep(play.pause);
        let visitor = play_side(stream, &play.visitor, (2 * tag, 2 * tag + 1));
        let what = format!("visitor {tag:x}: {play:?}");
        let local = loop {
            match tells.recv_timeout(HANGS) {
                Ok(Some(met)) => break met,
                Ok(None) => {}
                Err(_) => panic!("{what}: no local service"),
            }
        };
        let is_reset = play.visitor.end == End::Reset || play.local.end == End::Reset;
        for (met, side, other) in [
            (visitor, &play.visitor, &play.local),
            (local, &play.local, &play.visitor),
        ] {
            if side.end == End::Reset {
                continue;
            }
            if other.end == End::Reset {
                assert!(
                    met.end == End::Reset && met.read <= other.length,
                    "{what}: {met:?}"
                );
            } else if !is_reset {
                assert!(
                    met.end == End::Fin && met.read == other.length,
                    "{what}: {met:?}"
                );
            }
        }
    }
}

fn serve(mut stream: TcpStream, known: &Plays) {
    let mut tag = [0; 8];
    // One that was reset.
    if stream.read_exact(&mut tag).is_err() {
        return;
    }
    let tag = u64::from_le_bytes(tag);
    let found = known.lock().expect("no panic").remove(&tag);
    let (play, told) = found.expect("the tag of a visitor, and once");
    let _ = told.send(None);
    let met = play_side(stream, &play.local, (2 * tag + 1, 2 * tag));
    let _ = told.send(Some(met));
}
