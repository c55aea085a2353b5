//! The engines that can be linked together. The others are programs of their own.

pub mod cedar;
pub mod hallpass;
pub mod iam_rs;

use crate::scenario::Scenario;

/// An engine with its policies loaded and its request ready.
pub trait Engine: Sized {
    const NAME: &'static str;

    /// `None` when it cannot read these policies.
    fn load(scenario: &Scenario) -> Option<Self>;

    /// `allow`, `explicit_deny`, `implicit_deny`, or `error` where it gives none of them.
    fn decide(&mut self) -> &'static str;
}
