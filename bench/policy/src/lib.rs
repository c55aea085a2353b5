//! The parts of the measurement: what is asked, who is asked, and how time is taken.

pub mod clock;
pub mod engines;
pub mod scenario;
