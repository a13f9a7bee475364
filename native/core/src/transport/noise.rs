//! Noise (wire-v1 4.3).

use crate::spec::NoiseSpec;
use crate::transport::codec::Handshake;

pub(crate) struct Noise {}

impl Noise {
    /// # Errors
    /// What is wrong with the pattern or the keys.
    pub(crate) fn new(_spec: &NoiseSpec) -> Result<Self, String> {
        Err("noise: not yet".to_owned())
    }

    /// Of one connection that we dialled.
    pub(crate) fn initiator(&self) -> Box<dyn Handshake> {
        unimplemented!()
    }

    /// Of one connection that we accepted.
    pub(crate) fn responder(&self) -> Box<dyn Handshake> {
        unimplemented!()
    }
}
