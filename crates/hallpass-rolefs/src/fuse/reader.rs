use crate::{Access, Reader};
use fuser::Request;
use std::fs;

/// Who asks. A request carries no supplementary groups; the kernel is asked for those only if they may matter for
/// `access`, since it takes as long as the rest of the answer.
pub(super) fn reader(request: &Request, access: Option<&Access>) -> Reader {
    let mut reader = Reader {
        uid: request.uid(),
        gids: vec![request.gid()],
        pid: request.pid(),
    };
    if let Some(access) = access
        && !access.allows(reader.uid, &reader.gids)
        && let Ok(status) = fs::read_to_string(format!("/proc/{}/status", reader.pid))
    {
        reader.gids.extend(groups(&status, reader.uid));
    }
    reader
}

/// The supplementary groups, unless this is not the process that asks.
fn groups(status: &str, uid: u32) -> Vec<u32> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(
            line.split_ascii_whitespace()
                .filter_map(|id| id.parse::<u32>().ok()),
        )
    };
    // Real, effective, saved, file system: the last is the one that requests carry.
    let asks = field("Uid:").and_then(|mut uids| uids.nth(3));
    match (asks == Some(uid), field("Groups:")) {
        (true, Some(groups)) => groups.collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str =
        "Name:\tcat\nUid:\t1000\t1000\t1000\t1001\nGid:\t100\t100\t100\t100\nGroups:\t4 27 100 \n";

    #[test]
    fn groups_are_those_of_the_process_that_asks() {
        assert_eq!(groups(STATUS, 1001), [4, 27, 100]);
        // The number is another process's by now.
        assert_eq!(groups(STATUS, 1000), [0_u32; 0]);
        assert_eq!(groups("", 1000), [0_u32; 0]);
    }
}
