//! warren's data plane on native threads. It knows no configuration file, no token and no Node: the
//! control plane tells it what to serve and takes upcalls. The contract is `ts/engine/engine.ts`.

mod abort_reason;
mod admission;
mod arrival;
mod balance;
mod channel;
mod channel_dialer;
mod channel_use;
mod channel_words;
#[cfg(test)]
mod client_scene;
mod client_service;
mod client_session;
mod coded_link;
mod context;
mod control_stream;
mod counters;
mod demand;
mod descriptors;
mod dial;
mod direction;
mod engine;
mod event_batch;
mod events;
mod frames;
mod front;
mod limits;
mod link;
mod listen;
mod local_carrier;
mod origin;
mod pipe_budget;
mod pipes;
mod pool;
mod probe;
mod reactor;
mod reason;
mod relay;
mod relay_parcel;
mod resolve;
mod reused_link;
mod scratch;
mod server_service;
mod server_session;
mod session_frames;
mod shard;
mod spec;
mod sys;
mod system_error;
mod task;
mod tcp_front;
mod tcp_link;
mod tcp_locals;
mod tcp_socket;
#[cfg(test)]
mod testing;
mod transport;
mod tunnel_listener;
mod udp_batch;
mod udp_buffers;
mod udp_carrier;
mod udp_channel;
mod udp_frame;
mod udp_front;
mod udp_intake;
mod udp_locals;
mod udp_queue;
mod udp_replies;
#[cfg(test)]
mod udp_scene;
mod udp_session;
mod udp_socket;
mod udp_table;
mod udp_visitors;
mod upcall;
mod visit;
mod waiting_channel;
mod waiting_visitor;

pub use client_service::ClientSessionStart;
pub use counters::{EngineStats, ServiceStats};
pub use engine::{Engine, EngineOptions};
pub use events::{EVENT_BATCH_MAX, Event};
pub use limits::Limits;
pub use probe::probe;
pub use reason::EndReason;
pub use server_service::ServerSessionStart;
pub use spec::{
    CarrierSpec, ClientRoutine, ClientServiceChange, ClientServiceSpec, DialSpec, FrameTypes,
    HelloRule, HostPort, Key, NoiseSpec, ProxySpec, ProxyType, ReuseRules, Secret, ServerRoutine,
    ServerServiceChange, ServerServiceSpec, ServiceType, TcpSpec, TlsIdentity, TlsSpec,
    TransportSpec, TunnelListenSpec, WebsocketSpec,
};
pub use upcall::{ListenerId, ServiceId, SessionId, StreamId, SystemError, Upcall};
