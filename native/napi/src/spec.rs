//! What the control plane tells an engine: objects of exactly the shapes in `ts/engine/spec.ts`.

use napi::bindgen_prelude::{Error, Result, Status, Uint8Array};
use napi_derive::napi;
use warren_core::{
    ClientRoutine, ClientServiceChange, ClientServiceSpec, DialSpec, EndReason, FrameTypes,
    HelloRule, HostPort, ReuseRules, ServerRoutine, ServerServiceChange, ServerServiceSpec,
    ServiceType, TunnelListenSpec,
};

use crate::transport::{BindingProxy, BindingTransport};

#[napi(object, object_to_js = false)]
pub struct BindingHostPort {
    pub host: String,
    pub port: u16,
}

impl From<BindingHostPort> for HostPort {
    fn from(BindingHostPort { host, port }: BindingHostPort) -> Self {
        Self { host, port }
    }
}

#[napi(object, object_to_js = false)]
pub struct BindingHello {
    pub length: u32,
    pub control: Uint8Array,
    pub data: Uint8Array,
}

#[napi(object, object_to_js = false)]
pub struct BindingTunnelListen {
    pub bind: BindingHostPort,
    pub transport: BindingTransport,
    pub hello: BindingHello,
}

impl TryFrom<BindingTunnelListen> for TunnelListenSpec {
    type Error = Error;

    fn try_from(spec: BindingTunnelListen) -> Result<Self> {
        let BindingHello {
            length,
            control,
            data,
        } = spec.hello;
        Ok(Self {
            bind: spec.bind.into(),
            transport: spec.transport.try_into()?,
            hello: HelloRule {
                length: length as usize,
                control: control.to_vec(),
                data: data.to_vec(),
            },
        })
    }
}

#[napi(object, object_to_js = false)]
pub struct BindingDial {
    pub remote: BindingHostPort,
    pub prefer_ipv6: bool,
    pub transport: BindingTransport,
    #[napi(ts_type = "BindingProxy | undefined")]
    pub proxy: Option<BindingProxy>,
}

impl TryFrom<BindingDial> for DialSpec {
    type Error = Error;

    fn try_from(spec: BindingDial) -> Result<Self> {
        Ok(Self {
            remote: spec.remote.into(),
            prefer_ipv6: spec.prefer_ipv6,
            transport: spec.transport.try_into()?,
            proxy: spec.proxy.map(TryInto::try_into).transpose()?,
        })
    }
}

#[napi(object, object_to_js = false)]
pub struct BindingServerService {
    pub name: String,
    #[napi(js_name = "type", ts_type = "ServiceType")]
    pub protocol: String,
    pub bind: BindingHostPort,
    #[napi(ts_type = "boolean | undefined")]
    pub nodelay: Option<bool>,
}

impl TryFrom<BindingServerService> for ServerServiceSpec {
    type Error = Error;

    fn try_from(spec: BindingServerService) -> Result<Self> {
        Ok(Self {
            name: spec.name,
            protocol: protocol(&spec.protocol)?,
            bind: spec.bind.into(),
            nodelay: spec.nodelay,
        })
    }
}

#[napi(object, object_to_js = false)]
pub struct BindingClientService {
    pub name: String,
    #[napi(js_name = "type", ts_type = "ServiceType")]
    pub protocol: String,
    pub local: BindingHostPort,
    #[napi(ts_type = "boolean | undefined")]
    pub nodelay: Option<bool>,
    pub prefer_ipv6: bool,
}

impl TryFrom<BindingClientService> for ClientServiceSpec {
    type Error = Error;

    fn try_from(spec: BindingClientService) -> Result<Self> {
        Ok(Self {
            name: spec.name,
            protocol: protocol(&spec.protocol)?,
            local: spec.local.into(),
            nodelay: spec.nodelay,
            prefer_ipv6: spec.prefer_ipv6,
        })
    }
}

#[napi(object, object_to_js = false)]
pub struct BindingFrameTypes {
    pub channels: u8,
    pub heartbeat: u8,
    pub drain: u8,
    pub gave_up: u8,
}

#[napi(object, object_to_js = false)]
pub struct BindingReuse {
    pub start: Uint8Array,
    pub addresses: bool,
    #[napi(ts_type = "BindingFrameTypes | undefined")]
    pub frames: Option<BindingFrameTypes>,
}

impl From<BindingReuse> for ReuseRules {
    fn from(rules: BindingReuse) -> Self {
        Self {
            start: rules.start.to_vec(),
            addresses: rules.addresses,
            frames: rules.frames.map(|types| FrameTypes {
                channels: types.channels,
                heartbeat: types.heartbeat,
                drain: types.drain,
                gave_up: types.gave_up,
            }),
        }
    }
}

#[napi(object, object_to_js = false)]
pub struct BindingServerRoutine {
    pub create: Uint8Array,
    pub heartbeat: Uint8Array,
    pub heartbeat_interval_ms: f64,
    pub start: Uint8Array,
    #[napi(ts_type = "BindingReuse | undefined")]
    pub reuse: Option<BindingReuse>,
    pub goodbye: Uint8Array,
}

impl From<BindingServerRoutine> for ServerRoutine {
    fn from(routine: BindingServerRoutine) -> Self {
        Self {
            create: routine.create.to_vec(),
            heartbeat: routine.heartbeat.to_vec(),
            heartbeat_interval_ms: routine.heartbeat_interval_ms as u64,
            start: routine.start.to_vec(),
            reuse: routine.reuse.map(Into::into),
            goodbye: routine.goodbye.to_vec(),
        }
    }
}

#[napi(object, object_to_js = false)]
pub struct BindingClientRoutine {
    pub create: Uint8Array,
    pub heartbeat: Uint8Array,
    pub silence_timeout_ms: f64,
    pub hello: Uint8Array,
    pub start: Uint8Array,
    pub other_start: Uint8Array,
    #[napi(ts_type = "BindingReuse | undefined")]
    pub reuse: Option<BindingReuse>,
    pub goodbye: Uint8Array,
}

impl From<BindingClientRoutine> for ClientRoutine {
    fn from(routine: BindingClientRoutine) -> Self {
        Self {
            create: routine.create.to_vec(),
            heartbeat: routine.heartbeat.to_vec(),
            silence_timeout_ms: routine.silence_timeout_ms as u64,
            hello: routine.hello.to_vec(),
            start: routine.start.to_vec(),
            other_start: routine.other_start.to_vec(),
            reuse: routine.reuse.map(Into::into),
            goodbye: routine.goodbye.to_vec(),
        }
    }
}

/// What is absent stays as it is, but for `nodelay`: absent, too, is one of its values.
#[napi(object, object_to_js = false)]
pub struct BindingServerChange {
    #[napi(ts_type = "BindingHostPort | undefined")]
    pub bind: Option<BindingHostPort>,
    pub changes_nodelay: bool,
    #[napi(ts_type = "boolean | undefined")]
    pub nodelay: Option<bool>,
    #[napi(ts_type = "BindingServerRoutine | undefined")]
    pub routine: Option<BindingServerRoutine>,
}

impl From<BindingServerChange> for ServerServiceChange {
    fn from(change: BindingServerChange) -> Self {
        Self {
            bind: change.bind.map(Into::into),
            nodelay: change.changes_nodelay.then_some(change.nodelay),
            routine: change.routine.map(Into::into),
        }
    }
}

/// As `BindingServerChange`.
#[napi(object, object_to_js = false)]
pub struct BindingClientChange {
    #[napi(ts_type = "BindingHostPort | undefined")]
    pub local: Option<BindingHostPort>,
    pub changes_nodelay: bool,
    #[napi(ts_type = "boolean | undefined")]
    pub nodelay: Option<bool>,
    #[napi(ts_type = "boolean | undefined")]
    pub prefer_ipv6: Option<bool>,
    #[napi(ts_type = "BindingClientRoutine | undefined")]
    pub routine: Option<BindingClientRoutine>,
    #[napi(ts_type = "BindingDial | undefined")]
    pub dial: Option<BindingDial>,
}

impl TryFrom<BindingClientChange> for ClientServiceChange {
    type Error = Error;

    fn try_from(change: BindingClientChange) -> Result<Self> {
        Ok(Self {
            local: change.local.map(Into::into),
            nodelay: change.changes_nodelay.then_some(change.nodelay),
            prefer_ipv6: change.prefer_ipv6,
            routine: change.routine.map(Into::into),
            dial: change.dial.map(TryInto::try_into).transpose()?,
        })
    }
}

pub(crate) fn protocol_name(protocol: ServiceType) -> &'static str {
    match protocol {
        ServiceType::Tcp => "tcp",
        ServiceType::Udp => "udp",
    }
}

fn protocol(name: &str) -> Result<ServiceType> {
    match name {
        "tcp" => Ok(ServiceType::Tcp),
        "udp" => Ok(ServiceType::Udp),
        _ => Err(invalid(&format!("no such service type: {name}"))),
    }
}

pub(crate) fn reason(code: &str) -> Result<EndReason> {
    EndReason::from_code(code).ok_or_else(|| invalid(&format!("no such end reason: {code}")))
}

pub(crate) fn invalid(message: &str) -> Error {
    Error::new(Status::InvalidArg, message.to_owned())
}
