//! Where a client dials: the server, through a proxy or not, and the transport there.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Mutex;

use crate::dial::{DialError, DialOptions, dial};
use crate::link::Link;
use crate::shard::Shard;
use crate::spec::{DialSpec, HostPort, ProxySpec, TcpSpec, TransportSpec};
use crate::task::Cancelled;
use crate::transport::codec::{Handshake, Refused};
use crate::transport::layered::then;
use crate::transport::shake::{ShakeError, shake};
use crate::transport::{ClientTransport, proxy};
use crate::upcall::lock;

/// Transports that are in use or were a short while ago.
const CACHED_MAX: usize = 8;

/// What has been made of the transports that were dialled lately: a process has few, and what is
/// remembered of the server (TLS sessions) must outlive a dial.
#[derive(Default)]
pub(crate) struct ClientTransports {
    cached: Mutex<Vec<(TransportSpec, ClientTransport)>>,
}

impl ClientTransports {
    /// # Errors
    /// What of the spec cannot be used.
    fn get(&self, spec: &TransportSpec) -> Result<ClientTransport, String> {
        let mut cached = lock(&self.cached);
        if let Some(at) = cached.iter().position(|(known, _)| known == spec) {
            let found = cached.remove(at);
            let transport = found.1.clone();
            cached.push(found);
            return Ok(transport);
        }
        let transport = ClientTransport::new(spec)?;
        if cached.len() >= CACHED_MAX {
            cached.remove(0);
        }
        cached.push((spec.clone(), transport.clone()));
        Ok(transport)
    }
}

/// Without the certificates of its spec, which many sessions would keep a copy of.
pub(crate) struct Target {
    pub(crate) remote: HostPort,
    pub(crate) prefer_ipv6: bool,
    pub(crate) tcp: TcpSpec,
    proxy: Option<ProxySpec>,
    /// Or why there is none.
    transport: Result<ClientTransport, Refused>,
}

impl Target {
    pub(crate) fn new(shard: &Shard, spec: DialSpec) -> Self {
        let DialSpec {
            remote,
            prefer_ipv6,
            transport,
            proxy,
        } = spec;
        let made = shard.context.transports.get(&transport);
        Self {
            remote,
            prefer_ipv6,
            tcp: transport.tcp,
            proxy,
            transport: made.map_err(|text| Refused::new(transport.carrier.refusal(), text)),
        }
    }

    /// What is dialled: the proxy, where there is one.
    pub(crate) fn hop(&self) -> &HostPort {
        let proxy = self.proxy.as_ref();
        proxy.map_or(&self.remote, |proxy| &proxy.address)
    }

    fn handshake(&self) -> Result<Option<Box<dyn Handshake>>, Refused> {
        let transport = self.transport.as_ref().map_err(Clone::clone)?;
        let transport = transport.handshake(&self.remote);
        let proxy = self.proxy.as_ref();
        let proxy = proxy.map(|it| proxy::handshake(it, &self.remote));
        Ok(match (proxy, transport) {
            (Some(proxy), Some(transport)) => Some(then(proxy, transport)),
            (proxy, transport) => proxy.or(transport),
        })
    }

    /// A connection to the server, its transport in place. `options.timeout_ms` is for all of it.
    pub(crate) async fn open(
        &self,
        shard: &Rc<Shard>,
        options: &DialOptions,
    ) -> Result<(Link, SocketAddr), DialError> {
        let handshake = self.handshake().map_err(DialError::Refused)?;
        let deadline = shard.after(options.timeout_ms);
        let (link, address) = dial(shard, self.hop(), options).await?;
        let Some(handshake) = handshake else {
            return Ok((link.into(), address));
        };
        match Box::pin(shake(shard, link, handshake, deadline)).await {
            Ok(link) => Ok((link, address)),
            Err(ShakeError::Cancelled(Cancelled(reason))) => {
                Err(DialError::Cancelled(Cancelled(reason)))
            }
            Err(ShakeError::Refused(refused) | ShakeError::Answered(refused, _)) => {
                Err(DialError::Refused(refused))
            }
        }
    }
}
