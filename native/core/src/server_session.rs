//! STUB (founder).
pub(crate) struct ServerSession {}
impl ServerSession {
    pub(crate) fn request(&self, _count: usize) -> bool {
        todo!()
    }
}
