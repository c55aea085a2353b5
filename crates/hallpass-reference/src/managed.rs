//! AWS's managed policies: what `arn:aws:iam::aws:policy/…` stands for.
//!
//! ```
//! let policy = hallpass_reference::managed::find("arn:aws:iam::aws:policy/AdministratorAccess").ok_or("no such policy")?;
//! assert!(policy.document().contains(r#""Action":"*""#));
//! # Ok::<(), &str>(())
//! ```

use flate2::read::DeflateDecoder;
use std::io::Read as _;
use std::sync::LazyLock;

const BLOCKS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/managed-policies.blocks"));
const TABLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/managed-policies.table"));

/// What the ARN of each begins with.
pub const ARN_PREFIX: &str = "arn:aws:iam::aws:policy";

static ALL: LazyLock<Vec<ManagedPolicy>> = LazyLock::new(|| {
    let table: &'static str = inflated(TABLE, usize::MAX).leak();
    table.lines().filter_map(ManagedPolicy::read).collect()
});

/// One of AWS's managed policies, as the snapshot knows it (`data/SOURCE`).
#[derive(Debug)]
pub struct ManagedPolicy {
    path_and_name: &'static str,
    created: &'static str,
    updated: &'static str,
    version: &'static str,
    /// Where its block begins among the deflated ones.
    block: usize,
    /// Where it begins in its block, inflated.
    start: usize,
    bytes: usize,
}

/// The text that was deflated there, up to `bytes` of it.
fn inflated(deflated: &[u8], bytes: usize) -> String {
    let mut text = vec![];
    let limit = u64::try_from(bytes).unwrap_or(u64::MAX);
    // Both constants are made by build.rs: a failure would show in every test, as text that is cut.
    let _ = DeflateDecoder::new(deflated).take(limit).read_to_end(&mut text);
    String::from_utf8(text).unwrap_or_default()
}

impl ManagedPolicy {
    fn read(line: &'static str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        Some(Self {
            path_and_name: next()?,
            created: next()?,
            updated: next()?,
            version: next()?,
            block: next()?.parse().ok()?,
            start: next()?.parse().ok()?,
            bytes: next()?.parse().ok()?,
        })
    }

    /// `arn:aws:iam::aws:policy/service-role/…`.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("{ARN_PREFIX}{}", self.path_and_name)
    }

    /// Its path, with a slash at both ends: `/`, `/job-function/`, `/service-role/`, `/aws-service-role/`, `/root-task/`.
    #[must_use]
    pub fn path(&self) -> &'static str {
        let end = self.path_and_name.rfind('/').map_or(0, |slash| slash + 1);
        &self.path_and_name[..end]
    }

    /// Its name, without the path.
    #[must_use]
    pub fn name(&self) -> &'static str {
        &self.path_and_name[self.path().len()..]
    }

    /// When AWS made it, as IAM writes instants.
    #[must_use]
    pub fn created(&self) -> &'static str {
        self.created
    }

    /// When AWS made the version that is here.
    #[must_use]
    pub fn updated(&self) -> &'static str {
        self.updated
    }

    /// The default version, the only one that is known: `v1`, `v190`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// The default version's document, without white space. Inflates some 64 KiB, and more for the few that are longer.
    #[must_use]
    pub fn document(&self) -> String {
        let end = self.start.saturating_add(self.bytes);
        let block = BLOCKS.get(self.block..).unwrap_or_default();
        let mut text = inflated(block, end);
        text.drain(..self.start.min(text.len()));
        text
    }
}

/// All of them, by path and name.
#[must_use]
pub fn all() -> &'static [ManagedPolicy] {
    &ALL
}

/// Where in [`all`] the policy of that ARN is. ARNs are case-sensitive.
#[must_use]
pub fn position(arn: &str) -> Option<usize> {
    let wanted = arn.strip_prefix(ARN_PREFIX)?;
    ALL.binary_search_by(|policy| policy.path_and_name.cmp(wanted))
        .ok()
}

/// The policy of that ARN.
#[must_use]
pub fn find(arn: &str) -> Option<&'static ManagedPolicy> {
    ALL.get(position(arn)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_of_the_source_is_found_as_it_is_there() {
        let lines: Vec<_> = include_str!("../data/managed-policies.txt").lines().collect();
        assert_eq!(all().len(), lines.len());
        for line in lines {
            let fields: Vec<_> = line.split('\t').collect();
            let policy = find(&format!("{ARN_PREFIX}{}", fields[0])).unwrap();
            let facts = [policy.created(), policy.updated(), policy.version()];
            assert_eq!(facts, fields[1..4]);
            assert_eq!(policy.document(), fields[4], "{}", fields[0]);
            assert_eq!(format!("{}{}", policy.path(), policy.name()), fields[0]);
        }
    }

    #[test]
    fn an_arn_is_taken_as_it_is_written() {
        assert!(find("arn:aws:iam::aws:policy/job-function/Billing").is_some());
        for arn in [
            "arn:aws:iam::aws:policy/Billing",
            "arn:aws:iam::aws:policy/job-function/billing",
            "arn:aws:iam::111122223333:policy/job-function/Billing",
            "arn:aws:iam::aws:policy",
            "",
        ] {
            assert!(find(arn).is_none(), "{arn}");
        }
    }
}
