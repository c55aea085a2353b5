//! Values of numbers, dates, addresses, booleans and bytes: one between each two neighbouring constants.

use crate::condition::{Condition, Reads};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hallpass_types::UnixSeconds;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const NANOSECONDS: u32 = 1_000_000_000;
/// Years 1 to 9999: the seconds that have a common written form.
pub(super) const WRITTEN: std::ops::Range<i64> = -62_135_596_800..253_402_300_800;
/// The first address after the block of IPv4 addresses mapped into IPv6.
const AFTER_MAPPED: u128 = 0x1_0000_0000_0000;

/// Values of which every value that the conditions tell apart has its like. They read the same type.
pub(super) fn values(conditions: &[&Condition]) -> Vec<String> {
    let mut values = Vec::new();
    let mut numbers = Vec::new();
    let mut instants = Vec::new();
    let mut edges = Vec::new();
    let mut longest = None;
    for condition in conditions {
        match condition.reads() {
            Reads::Number => numbers.extend(condition.value_texts.iter().map(|text| &**text)),
            Reads::Date(own) => instants.extend(own),
            Reads::Ip(own) => edges.extend(own),
            Reads::Bool { .. } => values.extend(["true".to_owned(), "false".to_owned()]),
            Reads::Binary => {
                values.extend(condition.value_texts.iter().map(|text| text.to_string()));
                longest = longest.max(condition.value_texts.iter().map(|text| text.len()).max());
            }
            Reads::Text { .. } | Reads::Existence => {}
        }
    }
    if let Some(longest) = longest {
        // Longer than every constant, and so equal to none.
        values.push(STANDARD.encode("x".repeat(longest + 1)));
    }
    if !numbers.is_empty() {
        values.extend(decimals(&numbers));
    }
    if !instants.is_empty() {
        values.extend(dates(&instants));
    }
    if !edges.is_empty() {
        values.extend(addresses(&edges));
    }
    let mut seen = std::collections::HashSet::new();
    values.retain(|value| seen.insert(value.clone()));
    values
}

/// Each constant, and a number on its far side from zero that is nearer to it than any other constant.
fn decimals(constants: &[&str]) -> Vec<String> {
    let fraction = |text: &str| text.split_once('.').map_or(0, |(_, digits)| digits.len());
    let digits = constants.iter().map(|text| fraction(text)).max().unwrap_or(0);
    let nearer = |text: &str| {
        let point = if text.contains('.') { "" } else { "." };
        format!("{text}{point}{}1", "0".repeat(digits - fraction(text)))
    };
    let mut values = vec!["0".to_owned(), nearer("0"), nearer("-0")];
    for constant in constants {
        values.extend([(*constant).to_owned(), nearer(constant)]);
    }
    values
}

/// Each instant with the ones right before and after it, whole seconds first; nothing finer can be written.
fn dates(constants: &[(i64, u32)]) -> Vec<String> {
    let mut values = Vec::new();
    for (seconds, nanoseconds) in constants.iter().copied() {
        let around = [
            Some((seconds, nanoseconds)),
            seconds.checked_add(1).map(|after| (after, 0)),
            seconds.checked_sub(1).map(|before| (before, 0)),
            (nanoseconds + 1 < NANOSECONDS).then_some((seconds, nanoseconds + 1)),
            match nanoseconds {
                0 => seconds.checked_sub(1).map(|before| (before, NANOSECONDS - 1)),
                _ => Some((seconds, nanoseconds - 1)),
            },
        ];
        values.extend(around.into_iter().flatten().map(date));
    }
    values
}

fn date((seconds, nanoseconds): (i64, u32)) -> String {
    if !WRITTEN.contains(&seconds) {
        return seconds.to_string();
    }
    let text = UnixSeconds(seconds).iso8601();
    match nanoseconds {
        0 => text,
        _ => format!("{}.{nanoseconds:09}Z", text.trim_end_matches('Z')),
    }
}

/// Where membership changes: an address right there, as every range up to the next change is alike.
fn addresses(edges: &[IpAddr]) -> Vec<String> {
    let ends = [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::from_bits(AFTER_MAPPED)),
    ];
    // An address within the range reads better than its first one.
    let inner = edges.iter().filter_map(|edge| match edge {
        IpAddr::V4(address) => address
            .to_bits()
            .checked_add(1)
            .map(|next| IpAddr::V4(Ipv4Addr::from_bits(next))),
        IpAddr::V6(address) => address
            .to_bits()
            .checked_add(1)
            .map(|next| IpAddr::V6(Ipv6Addr::from_bits(next))),
    });
    inner
        .chain(edges.iter().copied())
        .chain(ends)
        .map(|address| address.to_string())
        .collect()
}
