//! Two patterns of resources side by side. `*` stands for any characters, `?` for one, and both stay inside their part
//! of an ARN.

/// Whether one pattern matches everything that another matches, as far as can be told by their letters.
pub(super) use hallpass_reference::glob::covers;

/// Longer pattern pairs than this are taken to overlap: a policy holds none.
const WORK_MAX: usize = 16 * 1_024 * 1_024;

/// Whether there may be a resource that both match.
pub(super) fn overlap(left: &str, right: &str) -> bool {
    let within = |(left, right): (&str, &str)| Table::new(left, right).is_none_or(|table| table.has(0, 0));
    parts(left).zip(parts(right)).all(within)
}

/// A pattern of which everything is matched by both; `None` when there is none, or when they are too long.
pub(super) fn common(left: &str, right: &str) -> Option<String> {
    if left == "*" {
        return Some(right.to_owned());
    }
    let both = parts(left).zip(parts(right));
    let both = both
        .map(|(left, right)| common_part(left, right))
        .collect::<Option<Vec<_>>>()?;
    Some(both.join(":"))
}

/// The parts of an ARN; those that are left out may be any.
fn parts(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.splitn(6, ':').chain(std::iter::repeat("*")).take(6)
}

fn common_part(left: &str, right: &str) -> Option<String> {
    let table = Table::new(left, right).filter(|table| table.has(0, 0))?;
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut pattern = Vec::new();
    let (mut row, mut column) = (0, 0);
    loop {
        let (a, b) = (left.get(row), right.get(column));
        let (down, along) = (table.has(row + 1, column), table.has(row, column + 1));
        match (a, b) {
            (None, None) => return String::from_utf8(pattern).ok(),
            (Some(b'*'), Some(b'*')) => {
                pattern.push(b'*');
                let both = table.has(row + 1, column + 1);
                row += usize::from(both || down);
                column += usize::from(both || !down);
            }
            (Some(b'*'), _) if down => row += 1,
            (_, Some(b'*')) if along => column += 1,
            (Some(a), Some(b)) => {
                let a_is_wider = *a == b'*' || (*a == b'?' && *b != b'*');
                pattern.push(if a_is_wider { *b } else { *a });
                row += usize::from(*a != b'*');
                column += usize::from(*b != b'*');
            }
            (Some(_), None) | (None, Some(_)) => return None,
        }
    }
}

/// For each pair of rests of two patterns, whether they have a text in common.
struct Table {
    cells: Vec<bool>,
    width: usize,
}

impl Table {
    fn new(left: &str, right: &str) -> Option<Self> {
        let (left, right) = (left.as_bytes(), right.as_bytes());
        let width = right.len() + 1;
        let size = (left.len() + 1)
            .checked_mul(width)
            .filter(|size| *size <= WORK_MAX)?;
        let mut table = Self {
            cells: vec![false; size],
            width,
        };
        for row in (0..=left.len()).rev() {
            for column in (0..width).rev() {
                let (down, along) = (table.has(row + 1, column), table.has(row, column + 1));
                let has = match (left.get(row), right.get(column)) {
                    (None, None) => true,
                    (Some(b'*'), Some(b'*')) => down || along,
                    // A star ends here, or takes what the other side has.
                    (Some(b'*'), other) => down || (other.is_some() && along),
                    (other, Some(b'*')) => along || (other.is_some() && down),
                    (Some(a), Some(b)) => {
                        (a == b || *a == b'?' || *b == b'?') && table.has(row + 1, column + 1)
                    }
                    (None, Some(_)) | (Some(_), None) => false,
                };
                if let Some(cell) = table.cells.get_mut(row * width + column) {
                    *cell = has;
                }
            }
        }
        Some(table)
    }

    fn has(&self, row: usize, column: usize) -> bool {
        column < self.width
            && self
                .cells
                .get(row * self.width + column)
                .copied()
                .unwrap_or(false)
    }
}

/// The pattern of a resource type: its `${…}` are any characters.
pub(super) fn of_template(arn: &str) -> String {
    let mut pattern = String::new();
    let mut rest = arn;
    while let Some((before, after)) = rest.split_once("${") {
        pattern += before;
        pattern.push('*');
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    pattern + rest
}

/// Whether an action acts on resources that the pattern takes in. One that knows no resources acts on `*`.
pub(super) fn acts_on(action: &hallpass_reference::Action, pattern: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let service = hallpass_reference::service(action.service_prefix());
    let types = action.resources().iter();
    let mut arns = types.filter_map(|kind| Some(service?.resource_type(kind.name)?.arn()));
    arns.any(|arn| {
        // A bucket's name holds no slash, which the pattern alone does not tell.
        let bucket = arn.ends_with(":s3:::${BucketName}");
        overlap(&of_template(arn), pattern) && !(bucket && pattern.contains('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_overlap_and_cover() {
        for (left, right, common, covered) in [
            ("a*", "*z", true, false),
            ("a*", "ab*", true, true),
            ("ab*", "a*", true, false),
            ("a", "b", false, false),
            ("a?c", "abc", true, true),
            ("a?c", "a*c", true, false),
            ("*", "", true, true),
            ("a*b", "a*c", false, false),
            ("*a*", "*b*", true, false),
            ("", "?", false, false),
            ("a", "a", true, true),
        ] {
            let (left, right) = (format!("arn:aws:s3:::{left}"), format!("arn:aws:s3:::{right}"));
            let (left, right) = (left.as_str(), right.as_str());
            assert_eq!(overlap(left, right), common, "{left} {right}");
            assert_eq!(overlap(right, left), common, "{right} {left}");
            assert_eq!(covers(left, right), covered, "{left} {right}");
            let both = super::common(left, right);
            assert_eq!(both.is_some(), common, "{left} {right}");
            if let Some(both) = both {
                assert!(
                    covers(left, &both) && covers(right, &both),
                    "{left} {right} {both}"
                );
            }
        }
        assert_eq!(
            super::common("arn:aws:s3:::a*", "arn:*:s3:::*z").as_deref(),
            Some("arn:aws:s3:::a*z")
        );
        assert!(overlap("*", "arn:aws:s3:::b") && overlap("arn:aws:sqs:*", "arn:aws:sqs:eu-west-1:1:q"));
        assert!(!overlap("arn:*:s3:*:*:accesspoint/*", "arn:aws:s3:::b/*"));
    }

    #[test]
    fn actions_act_on_their_types() {
        for (name, pattern, acts) in [
            ("s3:GetObject", "arn:aws:s3:::b/k", true),
            ("s3:GetObject", "arn:aws:s3:::b", false),
            ("s3:ListBucket", "arn:aws:s3:::b", true),
            ("s3:ListBucket", "arn:aws:s3:::b/*", false),
            ("iam:GetRole", "arn:aws:s3:::b", false),
            ("s3:ListAllMyBuckets", "*", true),
            ("s3:ListAllMyBuckets", "arn:aws:s3:::b", false),
        ] {
            let action = hallpass_reference::action(name).expect(name);
            assert_eq!(acts_on(action, pattern), acts, "{name} {pattern}");
        }
    }
}
