//! STUB (founder).
