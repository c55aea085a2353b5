use crate::FileKind;
use fuser::INodeNo;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Inode numbers: 1 is the root; each role has an id from 1, and `4 × id` with a place in its directory for its nodes.
///
/// A role that goes and comes again keeps its id. They are as many as role names the machine's profile ever had.
#[derive(Debug, Default)]
pub(super) struct Inodes(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    ids: HashMap<String, u64>,
    roles: Vec<String>,
}

/// What a number stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) id: u64,
    pub(super) role: String,
    /// `None` for the directory itself.
    pub(super) kind: Option<FileKind>,
}

pub(super) fn number(id: u64, kind: Option<FileKind>) -> INodeNo {
    INodeNo(id * 4 + kind.map_or(0, |kind| kind as u64 + 1))
}

impl Inodes {
    /// The id of a role, given on first sight.
    pub(super) fn id(&self, role: &str) -> u64 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = known.ids.get(role) {
            return *id;
        }
        known.roles.push(role.to_owned());
        let id = known.roles.len() as u64;
        known.ids.insert(role.to_owned(), id);
        id
    }

    pub(super) fn node(&self, number: INodeNo) -> Option<Node> {
        let (id, place) = (number.0 / 4, number.0 % 4);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = usize::try_from(id.checked_sub(1)?).ok()?;
        let kind = match place {
            0 => None,
            place => FileKind::ALL.into_iter().find(|kind| *kind as u64 + 1 == place),
        };
        Some(Node {
            id,
            role: known.roles.get(index)?.clone(),
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_what_they_stand_for() {
        let inodes = Inodes::default();
        assert_eq!(
            (inodes.id("web"), inodes.id("backup"), inodes.id("web")),
            (1, 2, 1)
        );
        for kind in FileKind::ALL.into_iter().map(Some).chain([None]) {
            let node = inodes.node(number(2, kind)).unwrap();
            assert_eq!((node.role.as_str(), node.kind), ("backup", kind));
        }
        for stranger in [0, 1, 3, 12, u64::MAX] {
            assert_eq!(inodes.node(INodeNo(stranger)), None, "{stranger}");
        }
    }
}
