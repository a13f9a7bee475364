//! STUB (founder).
use crate::front::Line;
use crate::reason::EndReason;
use crate::tcp_link::TcpLink;
use std::rc::Rc;
pub(crate) struct Pool {}
impl Pool {
    /// `floor`: channels kept ready. `on_ready` is called when a channel has become ready; it must not
    /// call back into the pool, only wake a task.
    pub(crate) fn new(_line: &Rc<Line>, _floor: usize, _on_ready: Rc<dyn Fn()>) -> Rc<Self> {
        todo!()
    }
    pub(crate) fn ready(&self) -> usize {
        todo!()
    }
    pub(crate) fn requested(&self) -> usize {
        todo!()
    }
    /// Takes an authenticated channel over, idle, or ends it.
    pub(crate) fn add(self: &Rc<Self>, _link: TcpLink) {
        todo!()
    }
    /// The longest idle channel that is alive.
    pub(crate) fn take(&self) -> Option<TcpLink> {
        todo!()
    }
    /// A visitor found none ready, `waiting` of them now: aim higher.
    pub(crate) fn miss(self: &Rc<Self>, _waiting: usize) {
        todo!()
    }
    /// Requests what is wanting while `waiting` visitors wait.
    pub(crate) fn refill(self: &Rc<Self>, _waiting: usize) {
        todo!()
    }
    /// Forgets everything of the session that ended, and closes its idle channels.
    pub(crate) fn clear(self: &Rc<Self>) {
        todo!()
    }
    pub(crate) fn failed(&self, _reason: EndReason) {
        todo!()
    }
}
