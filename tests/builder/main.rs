//! The builder as a process against wire fakes, for failures that are hard to cause.

mod offline;
