//! One engine as a JavaScript object: each method is that of `warren_core::Engine`.
//!
//! Its threads end when `shutdown` is called, when the environment (a worker, the process) goes away,
//! or when JavaScript has forgotten the object, whichever comes first. `process.exit` in the main
//! thread ends them with the process.

#![expect(
    clippy::needless_pass_by_value,
    reason = "what JavaScript passes is converted into values"
)]

use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use napi::CleanupEnvHook;
use napi::bindgen_prelude::{Env, Error, Function, Result, Uint8Array};
use napi_derive::napi;
use warren_core::{ClientSessionStart, Engine, EngineOptions, ServerSessionStart};

use crate::bell::Bell;
use crate::limits::BindingLimits;
use crate::spec::{
    BindingClientChange, BindingClientRoutine, BindingClientService, BindingDial,
    BindingServerChange, BindingServerRoutine, BindingServerService, BindingTunnelListen, reason,
};
use crate::stats::BindingEngineStats;
use crate::transport::BindingTransport;
use crate::upcall::BindingUpcall;

#[napi(object, object_to_js = false)]
pub struct BindingEngineOptions {
    pub limits: BindingLimits,
    pub access_log: bool,
    /// Whether anybody takes events.
    pub events: bool,
    /// 0: as many as there are cores, at most 4.
    pub threads: u32,
}

#[napi(object, object_to_js = false)]
pub struct BindingServerSession {
    pub session: u32,
    pub key: Uint8Array,
    pub routine: BindingServerRoutine,
}

#[napi(object, object_to_js = false)]
pub struct BindingClientSession {
    pub session: u32,
    pub dial: BindingDial,
    pub routine: BindingClientRoutine,
}

/// One engine. Calls return at once; answers come as upcalls. Names of listeners, services and
/// sessions are the caller's, and those of streams that it dials; they are below 2^31.
#[napi]
pub struct BindingEngine {
    core: Arc<Engine>,
    bell: Arc<Bell>,
    hook: Option<CleanupEnvHook<Weak<Engine>>>,
}

// A panic leaves nothing of the engine half done that a later call could see: its shared data are
// behind mutexes that hold plain data.
impl UnwindSafe for BindingEngine {}
impl RefUnwindSafe for BindingEngine {}

#[napi]
impl BindingEngine {
    /// Starts its threads. `wake` is called when there are upcalls to be taken.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        options: BindingEngineOptions,
        wake: Function<'_, (), ()>,
    ) -> Result<Self> {
        let bell = Arc::new(Bell::new(&wake)?);
        let options = EngineOptions {
            limits: options.limits.into(),
            access_log: options.access_log,
            events: options.events,
            threads: options.threads as usize,
        };
        let ring = Arc::clone(&bell);
        let core = Engine::start(options, move || ring.ring())
            .map_err(|error| Error::from_reason(format!("cannot start threads: {error}")))?;
        let core = Arc::new(core);
        // Runs before what was set up earlier is torn down, so before the bell is.
        let hook = env.add_env_cleanup_hook(Arc::downgrade(&core), |core| {
            if let Some(core) = core.upgrade() {
                let _ = catch_unwind(AssertUnwindSafe(|| core.shutdown()));
            }
        })?;
        Ok(Self {
            core,
            bell,
            hook: Some(hook),
        })
    }

    /// What has come since the last call, in order.
    #[napi(catch_unwind)]
    pub fn take_upcalls(&self) -> Vec<BindingUpcall> {
        self.core
            .take_upcalls()
            .into_iter()
            .map(Into::into)
            .collect()
    }

    /// Whether the process is kept alive. At first it is not.
    #[napi(catch_unwind)]
    pub fn keep_alive(&self, env: Env, alive: bool) -> Result<()> {
        self.bell.refer(&env, alive)
    }

    /// Answered by `listening` or `listen_failed`.
    #[napi(catch_unwind)]
    pub fn listen(&self, listener: u32, spec: BindingTunnelListen) -> Result<()> {
        self.core.listen(listener, spec.try_into()?);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn update_listener(&self, listener: u32, transport: BindingTransport) -> Result<()> {
        self.core.update_listener(listener, transport.try_into()?);
        Ok(())
    }

    /// Frees the ports of all listeners; each is still to be closed.
    #[napi(catch_unwind)]
    pub fn stop_accepting(&self) {
        self.core.stop_accepting();
    }

    /// Answered by `listener_closed`.
    #[napi(catch_unwind)]
    pub fn close_listener(
        &self,
        listener: u32,
        #[napi(ts_arg_type = "EndReason")] why: String,
    ) -> Result<()> {
        self.core.close_listener(listener, reason(&why)?);
        Ok(())
    }

    /// Answered by `dialed` or `dial_failed`.
    #[napi(catch_unwind)]
    pub fn dial(&self, stream: u32, spec: BindingDial) -> Result<()> {
        self.core.dial(stream, spec.try_into()?);
        Ok(())
    }

    /// Gives a dial up that has not been answered.
    #[napi(catch_unwind)]
    pub fn abort_dial(&self, stream: u32) {
        self.core.abort_dial(stream);
    }

    /// Answered by `stream_read`, unless the stream ends first.
    #[napi(catch_unwind)]
    pub fn stream_read(&self, stream: u32, length: u32) {
        self.core.stream_read(stream, length as usize);
    }

    /// Answered by `stream_flushed` when the system has all of it.
    #[napi(catch_unwind)]
    pub fn stream_write(&self, stream: u32, bytes: &[u8]) {
        self.core.stream_write(stream, bytes.to_vec());
    }

    /// Flushes, sends FIN and waits a little for the peer's.
    #[napi(catch_unwind)]
    pub fn stream_finish(
        &self,
        stream: u32,
        #[napi(ts_arg_type = "EndReason")] why: String,
    ) -> Result<()> {
        self.core.stream_finish(stream, reason(&why)?);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn stream_destroy(
        &self,
        stream: u32,
        #[napi(ts_arg_type = "EndReason")] why: String,
    ) -> Result<()> {
        self.core.stream_destroy(stream, reason(&why)?);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn open_server_service(&self, service: u32, spec: BindingServerService) -> Result<()> {
        self.core.open_server_service(service, spec.try_into()?);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn open_client_service(&self, service: u32, spec: BindingClientService) -> Result<()> {
        self.core.open_client_service(service, spec.try_into()?);
        Ok(())
    }

    /// `ended`: why the stream has ended already. Answered in the end by one `session_ended`.
    #[napi(catch_unwind)]
    pub fn attach_server(
        &self,
        service: u32,
        stream: u32,
        #[napi(ts_arg_type = "EndReason | undefined")] ended: Option<String>,
        session: BindingServerSession,
    ) -> Result<()> {
        let ended = ended.as_deref().map(reason).transpose()?;
        let start = ServerSessionStart {
            session: session.session,
            key: session.key.to_vec(),
            routine: session.routine.into(),
        };
        self.core.attach_server(service, stream, ended, start);
        Ok(())
    }

    /// As `attachServer`.
    #[napi(catch_unwind)]
    pub fn attach_client(
        &self,
        service: u32,
        stream: u32,
        #[napi(ts_arg_type = "EndReason | undefined")] ended: Option<String>,
        session: BindingClientSession,
    ) -> Result<()> {
        let ended = ended.as_deref().map(reason).transpose()?;
        let start = ClientSessionStart {
            session: session.session,
            dial: session.dial.try_into()?,
            routine: session.routine.into(),
        };
        self.core.attach_client(service, stream, ended, start);
        Ok(())
    }

    /// After `surplus`: the session goes on with this routine.
    #[napi(catch_unwind)]
    pub fn resume_server(&self, service: u32, routine: BindingServerRoutine) {
        self.core.resume_server(service, routine.into());
    }

    /// As `resumeServer`.
    #[napi(catch_unwind)]
    pub fn resume_client(&self, service: u32, routine: BindingClientRoutine) {
        self.core.resume_client(service, routine.into());
    }

    #[napi(catch_unwind)]
    pub fn update_server(&self, service: u32, change: BindingServerChange) {
        self.core.update_server(service, change.into());
    }

    #[napi(catch_unwind)]
    pub fn update_client(&self, service: u32, change: BindingClientChange) -> Result<()> {
        self.core.update_client(service, change.try_into()?);
        Ok(())
    }

    /// Ends the attached session, if any.
    #[napi(catch_unwind)]
    pub fn detach(
        &self,
        service: u32,
        #[napi(ts_arg_type = "EndReason")] why: String,
    ) -> Result<()> {
        self.core.detach(service, reason(&why)?);
        Ok(())
    }

    /// Without a deadline it takes as long as it takes. Answered by `service_closed`.
    #[napi(catch_unwind)]
    pub fn close_service(
        &self,
        service: u32,
        #[napi(ts_arg_type = "EndReason")] why: String,
        #[napi(ts_arg_type = "number | undefined")] deadline_ms: Option<f64>,
    ) -> Result<()> {
        let deadline_ms = deadline_ms.map(|deadline_ms| deadline_ms as u64);
        self.core.close_service(service, reason(&why)?, deadline_ms);
        Ok(())
    }

    /// Answered by `service_closed`.
    #[napi(catch_unwind)]
    pub fn destroy_service(&self, service: u32) {
        self.core.destroy_service(service);
    }

    /// After `service_closed`: it has no stats any more.
    #[napi(catch_unwind)]
    pub fn forget_service(&self, service: u32) {
        self.core.forget_service(service);
    }

    /// How many it was started with.
    #[napi(catch_unwind)]
    pub fn threads(&self) -> u32 {
        self.core.threads() as u32
    }

    #[napi(catch_unwind)]
    pub fn stats(&self) -> BindingEngineStats {
        self.core.stats().into()
    }

    /// Stops the threads and closes every socket; when it returns, none is left. The last upcalls
    /// can still be taken, of which no wake-up tells.
    #[napi(catch_unwind)]
    pub fn shutdown(&mut self, env: Env) -> Result<()> {
        self.core.shutdown();
        self.bell.silence();
        match self.hook.take() {
            Some(hook) => env.remove_env_cleanup_hook(hook),
            None => Ok(()),
        }
    }
}
