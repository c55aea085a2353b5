//! The kernel's form of an access control list: `include/uapi/linux/posix_acl_xattr.h`.

use super::{AclEntry, AclSubject};

const VERSION: u32 = 2;
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
/// What stands for "no id" in entries that need none.
const NO_ID: u32 = u32::MAX;

/// `entries` sorted, users first. The mask is what any of them and the group may do.
pub(super) fn encode(mode: u32, entries: &[AclEntry], directory: bool) -> Vec<u8> {
    // Whoever may read the files may enter and list their directory.
    let rights: u16 = if directory { 0o5 } else { 0o4 };
    let granted = |read: bool| if read { rights } else { 0 };
    let of_mode = |shift: u32| granted(mode >> shift & 0o4 != 0);
    let mut bytes = VERSION.to_le_bytes().to_vec();
    let mut push = |tag: u16, rights: u16, id: u32| {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&rights.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
    };
    push(USER_OBJ, of_mode(6), NO_ID);
    for entry in entries {
        if let AclSubject::User(uid) = entry.subject {
            push(USER, granted(entry.read), uid);
        }
    }
    push(GROUP_OBJ, of_mode(3), NO_ID);
    for entry in entries {
        if let AclSubject::Group(gid) = entry.subject {
            push(GROUP, granted(entry.read), gid);
        }
    }
    let mask = mode >> 3 & 0o4 != 0 || entries.iter().any(|entry| entry.read);
    push(MASK, granted(mask), NO_ID);
    push(OTHER, of_mode(0), NO_ID);
    bytes
}
