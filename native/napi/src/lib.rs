//! The Rust engine for Node: conversions between JavaScript and `warren-core`, nothing else. What
//! things mean is said in `ts/engine/engine.ts`; who calls this is `ts/engine/rust.ts`.
//!
//! Exports; `ts/engine/binding.d.ts` is generated from them:
//!
//! - `version(): string`: of this addon; its caller takes no other than its own.
//! - `probe(): string | null`: why the engine does not work on this machine.
//! - `endReasons(): string[]`, `defaultLimits(): BindingLimits`: tables that both sides have.
//! - `class BindingEngine`: one engine.

#![cfg_attr(
    test,
    allow(
        dead_code,
        reason = "under test nothing is exported, and there are no tests here"
    )
)]

mod bell;
mod engine;
mod event;
mod facts;
mod limits;
mod spec;
mod stats;
mod transport;
mod upcall;
