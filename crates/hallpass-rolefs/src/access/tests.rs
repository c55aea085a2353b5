use super::*;

const OWNER: u32 = 1000;
const GROUP: u32 = 2000;

fn access(mode: u32) -> Access {
    Access::new(OWNER, GROUP, mode, true).unwrap()
}

fn user(uid: u32, read: bool) -> AclEntry {
    AclEntry {
        subject: AclSubject::User(uid),
        read,
    }
}

fn group(gid: u32, read: bool) -> AclEntry {
    AclEntry {
        subject: AclSubject::Group(gid),
        read,
    }
}

#[test]
fn the_mode_gives_reading_to_owner_group_or_everyone() {
    let stranger = (5, [6]);
    for (mode, owner, member, other) in [
        (0o400, true, false, false),
        (0o440, true, true, false),
        (0o040, false, true, false),
        (0o444, true, true, true),
        (0o000, false, false, false),
        // The owner's bits decide about the owner, even if the group could.
        (0o044, false, true, true),
    ] {
        let access = access(mode);
        assert_eq!(access.allows(OWNER, &[GROUP]), owner, "{mode:o} owner");
        assert_eq!(access.allows(5, &[6, GROUP]), member, "{mode:o} member");
        assert_eq!(access.allows(stranger.0, &stranger.1), other, "{mode:o} other");
        assert!(access.allows(0, &[0]), "{mode:o} root");
    }
}

#[test]
fn writing_executing_and_unmeant_world_reading_are_refused() {
    for mode in [0o600, 0o500, 0o460, 0o442, 0o4400, 0o1400] {
        assert_eq!(
            Access::new(0, 0, mode, true),
            Err(ModeError::NotReading),
            "{mode:o}"
        );
    }
    assert_eq!(Access::new(0, 0, 0o444, false), Err(ModeError::WorldReadable));
    assert!(Access::new(0, 0, 0o440, false).is_ok());
}

#[test]
fn a_list_adds_users_and_groups() {
    let access = access(0o400).with_acl(vec![group(7, true), user(5, true)]);
    assert!(access.allows(5, &[6]));
    assert!(access.allows(9, &[6, 7]));
    assert!(!access.allows(9, &[6]));
    // The owning group gets nothing of the mask that its bits show.
    assert!(!access.allows(9, &[GROUP]));
    assert_eq!(access.file_mode(), 0o440);
    assert_eq!(access.directory_mode(), 0o550);
}

#[test]
fn a_users_entry_decides_before_groups_and_others() {
    let access = access(0o444).with_acl(vec![user(5, false), group(7, false)]);
    assert!(!access.allows(5, &[GROUP]));
    assert!(!access.allows(9, &[7]));
    // One of several groups is enough.
    assert!(access.allows(9, &[7, GROUP]));
    assert!(access.allows(9, &[8]));
}

#[test]
fn directories_open_to_those_who_may_read() {
    assert_eq!(access(0o400).directory_mode(), 0o500);
    assert_eq!(access(0o440).directory_mode(), 0o550);
    assert_eq!(access(0o444).directory_mode(), 0o555);
    assert_eq!(access(0).directory_mode(), 0);
}

#[test]
fn the_attribute_is_sorted_as_the_kernel_wants_it() {
    let access = access(0o400).with_acl(vec![
        user(5, true),
        group(7, true),
        user(3, false),
        user(5, false),
    ]);
    let bytes = access.acl_attribute(false).unwrap();
    assert_eq!(bytes[..4], [2, 0, 0, 0]);
    let entries: Vec<(u16, u16, u32)> = bytes[4..]
        .chunks_exact(8)
        .map(|entry| {
            let short = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
            let id = u32::from_le_bytes(entry[4..].try_into().unwrap());
            (short(0), short(2), id)
        })
        .collect();
    let none = u32::MAX;
    assert_eq!(
        entries,
        [
            (1, 4, none),
            (2, 0, 3),
            (2, 4, 5),
            (4, 0, none),
            (8, 4, 7),
            (16, 4, none),
            (32, 0, none)
        ]
    );
    assert_eq!(
        access.acl_attribute(true).unwrap()[4..12],
        [1, 0, 5, 0, 255, 255, 255, 255]
    );
    assert_eq!(super::tests::access(0o400).acl_attribute(false), None);
}
