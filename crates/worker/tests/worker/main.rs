//! Workers as processes of their own, from outside.

mod fuzz;
mod serving;
mod supervision;
mod support;
