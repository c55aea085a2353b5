//! Findings for people and for programs.

pub mod github;
pub mod json;
pub mod sarif;
pub mod text;
