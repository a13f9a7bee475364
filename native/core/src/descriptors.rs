//! STUB (helper sys). Watches how many file descriptors are left.
pub(crate) struct Descriptors {}
impl Descriptors {
    pub(crate) fn of_system() -> Self {
        Self {}
    }
    /// Whether a visitor's fresh descriptor eats into the reserve.
    pub(crate) fn is_short(&self, _descriptor: i64) -> bool {
        todo!()
    }
    /// Sockets of UDP sessions that may be open at once, all services together.
    pub(crate) fn udp_sockets(&self) -> usize {
        todo!()
    }
    pub(crate) fn text(&self) -> String {
        todo!()
    }
}
