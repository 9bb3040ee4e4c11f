//! The controller behind the objects of the Agent Sandbox API.
//!
//! ```text
//!  API server ──watch──► cache ──change──► queue ──► reconcile
//!      ▲                                               │
//!      │        observe → validate → place → build → apply → report
//!      └───────────────────────────────────────────────┘
//! ```
//!
//! Each kind has a folder with these six steps. `observe` reads the caches,
//! `apply` and the writing half of `report` talk to the API server, and what
//! lies between is pure: owned values in, owned values out, the time given.
#![forbid(unsafe_code)]

pub mod blueprint;
pub mod cache;
pub mod claim;
pub mod condition;
pub mod context;
pub mod controllers;
pub mod crd;
pub mod driver;
pub mod event;
pub mod freshness;
pub mod names;
pub mod pool;
pub mod process;
pub mod sandbox;
pub mod settings;
pub mod template;
pub mod wasm;
pub mod write;
