//! Every transport, between two links of one shard.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;

use crate::link::Link;
use crate::shard::Shard;
use crate::spec::{
    CarrierSpec, HostPort, NoiseSpec, Secret, TcpSpec, TransportSpec, WebsocketSpec,
};
use crate::task::TaskId;
use crate::tcp_link::TcpLink;
use crate::transport::shake::shake;
use crate::transport::tls::scene::specs as tls_specs;
use crate::transport::{ClientTransport, ServerTransport};

/// A transport as its two ends know it.
#[derive(Clone)]
pub(crate) struct Carrier {
    pub(crate) name: &'static str,
    pub(crate) server: Arc<ServerTransport>,
    pub(crate) client: Arc<ClientTransport>,
}

pub(crate) fn carriers() -> Vec<Carrier> {
    let (server, client) = tls_specs();
    let websocket = WebsocketSpec {
        path: "/".to_owned(),
        headers: Vec::new(),
    };
    let (chacha, aes) = (
        "Noise_NK_25519_ChaChaPoly_BLAKE2s",
        "Noise_XX_25519_AESGCM_SHA256",
    );
    vec![
        carrier("noise", noise(chacha, true), noise(chacha, false)),
        carrier("noise aes", noise(aes, true), noise(aes, false)),
        carrier(
            "tls",
            CarrierSpec::Tls(server.clone()),
            CarrierSpec::Tls(client.clone()),
        ),
        carrier(
            "websocket",
            CarrierSpec::Websocket(websocket.clone(), None),
            CarrierSpec::Websocket(websocket.clone(), None),
        ),
        carrier(
            "websocket over tls",
            CarrierSpec::Websocket(websocket.clone(), Some(server)),
            CarrierSpec::Websocket(websocket, Some(client)),
        ),
    ]
}

fn carrier(name: &'static str, server: CarrierSpec, client: CarrierSpec) -> Carrier {
    Carrier {
        name,
        server: Arc::new(ServerTransport::new(&spec(server)).expect("a server's")),
        client: Arc::new(ClientTransport::new(&spec(client)).expect("a client's")),
    }
}

fn spec(carrier: CarrierSpec) -> TransportSpec {
    let tcp = TcpSpec {
        nodelay: true,
        keepalive_ms: 0,
        keepalive_interval_ms: 0,
    };
    TransportSpec { tcp, carrier }
}

/// The key pair of wire-v1 4.3.
fn noise(pattern: &str, is_server: bool) -> CarrierSpec {
    let private = std::array::from_fn(|at| u8::try_from(at).expect("32 bytes") + 1);
    let public = [
        0x07, 0xa3, 0x7c, 0xbc, 0x14, 0x20, 0x93, 0xc8, 0xb7, 0x55, 0xdc, 0x1b, 0x10, 0xe8, 0x6c,
        0xb4, 0x26, 0x37, 0x4a, 0xd1, 0x6a, 0xa8, 0x53, 0xed, 0x0b, 0xdf, 0xc0, 0xb2, 0xb8, 0x6d,
        0x1c, 0x7c,
    ];
    CarrierSpec::Noise(NoiseSpec {
        pattern: pattern.to_owned(),
        local_private_key: Secret(if is_server { private } else { [9; 32] }),
        remote_public_key: (!is_server).then_some(public),
    })
}

/// A connection over loopback: the dialled end, the accepted one.
pub(crate) fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    let dialled = TcpStream::connect(address).expect("loopback connects");
    let (accepted, _) = listener.accept().expect("loopback accepts");
    for stream in [&dialled, &accepted] {
        stream.set_nonblocking(true).expect("a socket");
    }
    (dialled, accepted)
}

pub(crate) fn tcp_link(shard: &Rc<Shard>, stream: TcpStream) -> TcpLink {
    TcpLink::adopt(shard, mio::net::TcpStream::from_std(stream)).expect("a link")
}

/// The client's and the server's end of a connection behind that transport.
pub(crate) async fn connect(shard: &Rc<Shard>, carrier: &Carrier) -> (Link, Link) {
    let (dialled, accepted) = pair();
    let server = {
        let handshake = carrier.server.handshake().expect("it has one");
        let (shard, link) = (Rc::clone(shard), tcp_link(shard, accepted));
        let deadline = shard.after(20_000);
        async move {
            let link = shake(&shard, link, handshake, deadline).await;
            let link = link.expect("the server's end");
            // What it has said last.
            link.flush().expect("writes");
            link
        }
    };
    let waiting = shard.tasks.current();
    let accepted = beside(shard, waiting, server);
    let remote = HostPort {
        host: "localhost".to_owned(),
        port: 80,
    };
    let handshake = carrier.client.handshake(&remote).expect("it has one");
    let link = tcp_link(shard, dialled);
    let client = shake(shard, link, handshake, shard.after(20_000)).await;
    let client = client.expect("the client's end");
    client.flush().expect("writes");
    client.watch();
    loop {
        if let Some(server) = accepted.take() {
            server.watch();
            return (client, server);
        }
        shard.park(None).await.expect("not cancelled");
    }
}

/// Runs a task beside the one that waits, and wakes that when it is done.
fn beside<T: 'static>(
    shard: &Rc<Shard>,
    waiting: TaskId,
    task: impl Future<Output = T> + 'static,
) -> Rc<std::cell::Cell<Option<T>>> {
    let result = Rc::new(std::cell::Cell::new(None));
    let (given, there) = (Rc::clone(&result), Rc::clone(shard));
    shard.spawn("beside", async move {
        given.set(Some(task.await));
        there.tasks.wake(waiting);
    });
    result
}
