//! Wakes JavaScript: one threadsafe function per engine, called without a payload. What there is to
//! be told waits in the engine, so that one wake-up takes all of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use napi::bindgen_prelude::{Env, Function, Result};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

/// A failure to call is no error here: the environment is going away.
type Callback = ThreadsafeFunction<(), (), (), napi::Status, false, true>;

pub(crate) struct Bell {
    /// Absent once it has been silenced.
    callback: Mutex<Option<Callback>>,
}

impl Bell {
    /// It does not keep the process alive until `refer` says so.
    pub(crate) fn new(callback: &Function<'_, (), ()>) -> Result<Self> {
        let builder = callback.build_threadsafe_function::<()>();
        let callback = builder.weak::<true>().callee_handled::<false>().build()?;
        Ok(Self {
            callback: Mutex::new(Some(callback)),
        })
    }

    /// From any thread. Harmless when the environment is gone.
    pub(crate) fn ring(&self) {
        if let Some(callback) = self.callback().as_ref() {
            callback.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Lets go of the JavaScript function, and by that of all that it holds.
    pub(crate) fn silence(&self) {
        let callback = self.callback().take();
        drop(callback);
    }

    #[expect(deprecated, reason = "clones cannot say that the process may end now")]
    pub(crate) fn refer(&self, env: &Env, alive: bool) -> Result<()> {
        match self.callback().as_mut() {
            Some(callback) if alive => callback.refer(env),
            Some(callback) => callback.unref(env),
            None => Ok(()),
        }
    }

    fn callback(&self) -> MutexGuard<'_, Option<Callback>> {
        self.callback.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
