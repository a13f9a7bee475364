//! What two layers make of what each of them says.

use super::{Layers, over};
use crate::spec::{HostPort, WebsocketSpec};
use crate::transport::codec::{Codec, Fault, Layout, Opened, Place};
use crate::transport::tls::TlsClient;
use crate::transport::tls::scene::specs;
use crate::transport::websocket::Websocket;

/// A codec that says just this of a FIN.
struct Fin(Result<(), Fault>);

impl Codec for Fin {
    fn layout(&self) -> Layout {
        Layout::WHOLE
    }

    fn seal(&mut self, _: &mut [u8], plain: usize, _: &mut Vec<u8>) -> Result<Place, Fault> {
        Ok(Place::Buffer(0..plain))
    }

    fn open(&mut self, _: &mut [u8], _: &mut Vec<u8>, _: &mut Vec<u8>) -> Result<Opened, Fault> {
        Err(Fault::BadRecord)
    }

    fn fin(&self, _: usize) -> Result<(), Fault> {
        self.0
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Result<bool, Fault> {
        Ok(true)
    }

    fn sends_fin(&self) -> bool {
        true
    }
}

#[test]
fn of_two_faults_at_the_end_the_worse_one_is_told() {
    use Fault::{BadRecord, NoGoodbye, Truncated};
    for (lower, upper, told) in [
        (Ok(()), Ok(()), Ok(())),
        (Ok(()), Err(NoGoodbye), Err(NoGoodbye)),
        (Err(NoGoodbye), Ok(()), Err(NoGoodbye)),
        (Err(NoGoodbye), Err(Truncated), Err(Truncated)),
        (Err(Truncated), Err(NoGoodbye), Err(Truncated)),
        (Err(Truncated), Err(BadRecord), Err(BadRecord)),
    ] {
        let layers = Layers {
            lower: Box::new(Fin(lower)),
            upper: Box::new(Fin(upper)),
            early: Vec::new(),
        };
        assert_eq!(layers.fin(0), told, "{lower:?} below {upper:?}");
    }
}

#[test]
fn a_server_that_closes_at_once_may_not_speak_the_lower_one() {
    let (_, client) = specs();
    let tls = TlsClient::new(&client).expect("a client");
    let websocket = Websocket::new(&WebsocketSpec {
        path: "/".to_owned(),
        headers: Vec::new(),
    });
    let remote = HostPort {
        host: "localhost".to_owned(),
        port: 443,
    };
    let (mut came, mut out) = (Vec::new(), Vec::new());
    let mut handshake = over(tls.handshake(), websocket.client(&remote, true));
    assert!(handshake.advance(&mut came, &mut out).is_ok());
    assert_eq!(handshake.name(), "TLS");
    assert_eq!(handshake.when_closed(), tls.handshake().when_closed());
    assert_ne!(handshake.when_closed(), "");
}
