/// Whether `name` is a bucket name by S3's rules for general purpose buckets.
///
/// Three to 63 lower-case letters, digits, dots and hyphens; letters or digits at both ends; no two dots in a row; not
/// an IPv4 address. Such a name is also a safe folder name and host label.
#[must_use]
pub fn valid_bucket_name(name: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| alphanumeric(*byte) || matches!(byte, b'.' | b'-'))
        && bytes.first().is_some_and(|byte| alphanumeric(*byte))
        && bytes.last().is_some_and(|byte| alphanumeric(*byte))
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
}
