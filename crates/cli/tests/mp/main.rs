//! `mp` as its users run it: real processes, real files, real sockets on loopback.

mod market;
mod serving;
mod support;
mod up;
mod validators;
