//! JSON types of reads, shared by node and client.

pub mod decimal;
