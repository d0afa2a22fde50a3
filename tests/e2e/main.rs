//! The programs against real engines, a real registry and real packages.

mod decisions;
