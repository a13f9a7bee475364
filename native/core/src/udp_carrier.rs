//! Carries started udp channels: each has its own table of local sockets.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::context::SharedFacts;
use crate::link::Link;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::ClientServiceSpec;
use crate::udp_channel::{UdpChannel, serve};
use crate::udp_locals::{LocalScene, UdpLocals};

struct Carried {
    channel: Rc<UdpChannel>,
    locals: Rc<UdpLocals>,
}

pub(crate) struct UdpCarrier {
    scene: Rc<LocalScene>,
    empty: Rc<dyn Fn()>,
    channels: RefCell<Vec<Rc<Carried>>>,
}

impl UdpCarrier {
    /// `spec` is as it is now: a reload may change it. `empty` is called when the last channel
    /// ended.
    pub(crate) fn new(
        shard: &Rc<Shard>,
        facts: SharedFacts,
        spec: Rc<RefCell<ClientServiceSpec>>,
        empty: Rc<dyn Fn()>,
    ) -> Rc<Self> {
        let scene = LocalScene {
            shard: Rc::clone(shard),
            facts,
            spec,
            sessions: Cell::new(0),
        };
        Rc::new(Self {
            scene: Rc::new(scene),
            empty,
            channels: RefCell::default(),
        })
    }

    /// Channels being carried.
    pub(crate) fn size(&self) -> usize {
        self.channels.borrow().len()
    }

    /// Takes a started channel over; `rest` came behind the start command.
    pub(crate) fn carry(self: &Rc<Self>, link: Link, rest: Vec<u8>) {
        let nodelay = self.scene.spec.borrow().nodelay;
        if let Some(nodelay) = nodelay {
            link.set_nodelay(nodelay);
        }
        let shard = &self.scene.shard;
        let channel = Rc::new(UdpChannel::new(shard, 0, link, rest));
        let locals = UdpLocals::new(&self.scene, &channel);
        let carried = Rc::new(Carried { channel, locals });
        self.channels.borrow_mut().push(Rc::clone(&carried));
        let served = Served {
            carrier: Rc::clone(self),
            carried: Rc::clone(&carried),
        };
        let task = shard.spawn("udp channel", async move {
            let Served { carrier, carried } = &served;
            let Carried { channel, locals } = &**carried;
            let deliver = |bytes: &[u8]| locals.deliver(bytes);
            if let Some(reason) = serve(channel, deliver, || locals.sweep()).await {
                carrier.close(carried, reason);
            }
        });
        carried.channel.set_task(task);
    }

    /// The service is closing: all channels end now.
    pub(crate) fn draining(&self) {
        self.destroy(EndReason::Drain);
    }

    pub(crate) fn destroy(&self, reason: EndReason) {
        let channels = self.channels.borrow().clone();
        for carried in &channels {
            self.close(carried, reason);
        }
    }

    fn close(&self, carried: &Rc<Carried>, reason: EndReason) {
        {
            let mut channels = self.channels.borrow_mut();
            let at = channels.iter().position(|it| Rc::ptr_eq(it, carried));
            let Some(at) = at else { return };
            channels.remove(at);
        }
        carried.channel.close();
        let LocalScene { shard, facts, .. } = &*self.scene;
        if reason == EndReason::BadFrame {
            carried.locals.close(reason);
            shard.context.channel_failed(facts, reason, None);
        } else {
            carried.locals.close(EndReason::SessionEnd);
            facts.counters.end(reason);
        }
        if self.size() == 0 {
            (self.empty)();
        }
    }
}

/// A channel and its task: however that ends, the channel is closed and counted.
struct Served {
    carrier: Rc<UdpCarrier>,
    carried: Rc<Carried>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let reason = self.carrier.scene.shard.unexpected_end();
        self.carrier.close(&self.carried, reason);
    }
}
