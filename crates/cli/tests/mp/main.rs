//! `mp` as its users run it: real processes, real files, real sockets on loopback.

mod acme;
mod commit;
mod deals;
#[path = "../../../../tests/dice.rs"]
mod dice;
#[path = "../../../../tests/dns.rs"]
mod dns;
mod domain;
mod fuzz;
mod given;
mod guests;
mod guide;
mod kills;
mod logs;
mod market;
mod newcomer;
mod plans;
mod proving;
mod references;
mod support;
mod up;
mod update;
mod validators;
