//! The key folder and the authorities, through their public interface, on real files and sockets.

mod authorities;
mod checkpoints;
mod http;
mod key_folder;
mod revocation;
mod server;
mod support;
mod trial;
mod witnesses;
