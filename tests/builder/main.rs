//! The builder as a process: wrong input, and failures that are hard to cause with a healthy engine.

mod definitions;
mod faults;
mod offline;
mod proxy;
