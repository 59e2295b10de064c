//! Keeps the images that documents hot-link, and points the documents at the kept copies.
//!
//! The modules in the order an image travels:
//!
//! 1. [`crawl`] finds documents on disk and reads their bytes;
//! 2. [`document`] finds the references in those bytes, each with its exact span;
//! 3. [`origin`] takes the proxy off a reference's URL and names the image itself;
//! 4. [`ladder`] says whom to ask for it, and [`fetch`] asks, and never an address it must not ask;
//! 5. [`media`] tells whether the answer is a whole, genuine image;
//! 6. [`store`] keeps its bytes by their [`digest`];
//! 7. [`catalog`] remembers what came from where, and what each document said before;
//! 8. [`rewrite`] puts the kept link into the document, and [`files`] swaps the file in;
//! 9. [`serve`] gives it to readers, and to documents that still ask its dead proxy.
//!
//! [`ops`] walks that road, one file a use case; [`daemon`] walks it whenever a document changes; [`web`] shows all of
//! it in a browser; [`cli`] and [`config`] are the front door.

pub mod blob;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod crawl;
pub mod daemon;
pub mod demo;
pub mod digest;
pub mod document;
pub mod fetch;
pub mod files;
pub mod ladder;
pub mod media;
pub mod ops;
pub mod origin;
pub mod resolve;
pub mod rewrite;
pub mod serve;
pub mod store;
pub mod web;
