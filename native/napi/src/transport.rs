//! How tunnel connections are carried: objects of the shapes in `ts/engine/spec.ts`.

use napi::bindgen_prelude::{Error, Result, Uint8Array};
use napi_derive::napi;
use warren_core::{
    CarrierSpec, Key, NoiseSpec, ProxySpec, ProxyType, Secret, TcpSpec, TlsIdentity, TlsSpec,
    TransportSpec, WebsocketSpec,
};

use crate::spec::{BindingHostPort, invalid};

#[napi(object, object_to_js = false)]
pub struct BindingTcp {
    pub nodelay: bool,
    pub keepalive_ms: f64,
    pub keepalive_interval_ms: f64,
}

#[napi(object, object_to_js = false)]
pub struct BindingNoise {
    pub pattern: String,
    pub local_private_key: Uint8Array,
    #[napi(ts_type = "Uint8Array | undefined")]
    pub remote_public_key: Option<Uint8Array>,
}

#[napi(object, object_to_js = false)]
pub struct BindingIdentity {
    #[napi(ts_type = "readonly Uint8Array[]")]
    pub chain: Vec<Uint8Array>,
    pub key: Uint8Array,
}

#[napi(object, object_to_js = false)]
pub struct BindingTls {
    #[napi(ts_type = "readonly BindingIdentity[]")]
    pub identities: Vec<BindingIdentity>,
    #[napi(ts_type = "readonly Uint8Array[]")]
    pub roots: Vec<Uint8Array>,
    pub hostname: String,
}

#[napi(object, object_to_js = false)]
pub struct BindingWebsocket {
    pub path: String,
    #[napi(ts_type = "readonly (readonly [name: string, value: string])[]")]
    pub headers: Vec<Vec<String>>,
}

/// `type` says which of the others is there; `tls` may be below `websocket`.
#[napi(object, object_to_js = false)]
pub struct BindingTransport {
    #[napi(js_name = "type", ts_type = "TransportSpec['type']")]
    pub carrier: String,
    pub tcp: BindingTcp,
    #[napi(ts_type = "BindingTls | undefined")]
    pub tls: Option<BindingTls>,
    #[napi(ts_type = "BindingNoise | undefined")]
    pub noise: Option<BindingNoise>,
    #[napi(ts_type = "BindingWebsocket | undefined")]
    pub websocket: Option<BindingWebsocket>,
}

impl TryFrom<BindingTransport> for TransportSpec {
    type Error = Error;

    fn try_from(spec: BindingTransport) -> Result<Self> {
        let BindingTransport {
            carrier,
            tcp,
            tls,
            noise,
            websocket,
        } = spec;
        let carrier = match (carrier.as_str(), tls, noise, websocket) {
            ("tcp", ..) => CarrierSpec::Tcp,
            ("tls", Some(tls), ..) => CarrierSpec::Tls(tls.into()),
            ("noise", _, Some(noise), _) => CarrierSpec::Noise(noise.try_into()?),
            ("websocket", tls, _, Some(websocket)) => {
                CarrierSpec::Websocket(websocket.try_into()?, tls.map(Into::into))
            }
            _ => return Err(invalid(&format!("no such transport: {carrier}"))),
        };
        let tcp = TcpSpec {
            nodelay: tcp.nodelay,
            keepalive_ms: tcp.keepalive_ms as u64,
            keepalive_interval_ms: tcp.keepalive_interval_ms as u64,
        };
        Ok(Self { tcp, carrier })
    }
}

impl From<BindingTls> for TlsSpec {
    fn from(spec: BindingTls) -> Self {
        let identity = |it: BindingIdentity| TlsIdentity {
            chain: bytes(&it.chain),
            key: Secret(it.key.to_vec()),
        };
        Self {
            identities: spec.identities.into_iter().map(identity).collect(),
            roots: bytes(&spec.roots),
            hostname: spec.hostname,
        }
    }
}

impl TryFrom<BindingNoise> for NoiseSpec {
    type Error = Error;

    fn try_from(spec: BindingNoise) -> Result<Self> {
        Ok(Self {
            pattern: spec.pattern,
            local_private_key: Secret(key(&spec.local_private_key)?),
            remote_public_key: spec.remote_public_key.as_ref().map(key).transpose()?,
        })
    }
}

impl TryFrom<BindingWebsocket> for WebsocketSpec {
    type Error = Error;

    fn try_from(BindingWebsocket { path, headers }: BindingWebsocket) -> Result<Self> {
        let pair = |header: Vec<String>| {
            let pair: std::result::Result<[String; 2], _> = header.try_into();
            let [name, value] = pair.map_err(|_| invalid("a header is a name and a value"))?;
            Ok((name, value))
        };
        let headers = headers.into_iter().map(pair).collect::<Result<_>>()?;
        Ok(Self { path, headers })
    }
}

#[napi(object, object_to_js = false)]
pub struct BindingCredentials {
    pub username: String,
    pub password: String,
}

#[napi(object, object_to_js = false)]
pub struct BindingProxy {
    #[napi(js_name = "type", ts_type = "ProxySpec['type']")]
    pub protocol: String,
    pub address: BindingHostPort,
    #[napi(ts_type = "BindingCredentials | undefined")]
    pub credentials: Option<BindingCredentials>,
}

impl TryFrom<BindingProxy> for ProxySpec {
    type Error = Error;

    fn try_from(spec: BindingProxy) -> Result<Self> {
        let protocol = match spec.protocol.as_str() {
            "http" => ProxyType::Http,
            "socks5" => ProxyType::Socks5,
            other => return Err(invalid(&format!("no such proxy: {other}"))),
        };
        let credentials = |it: BindingCredentials| (it.username, Secret(it.password));
        Ok(Self {
            protocol,
            address: spec.address.into(),
            credentials: spec.credentials.map(credentials),
        })
    }
}

fn bytes(all: &[Uint8Array]) -> Vec<Vec<u8>> {
    all.iter().map(|it| it.to_vec()).collect()
}

fn key(bytes: &Uint8Array) -> Result<Key> {
    let key: std::result::Result<Key, _> = bytes.as_ref().try_into();
    key.map_err(|_| invalid("a key has 32 bytes"))
}
