//! `/proc/self/mountinfo`, proc_pid_mountinfo(5).

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MountEntry {
    /// `0:53`
    pub(super) device: String,
    pub(super) point: PathBuf,
    pub(super) mount_options: Vec<String>,
    pub(super) kind: String,
    pub(super) source: String,
    pub(super) super_options: Vec<String>,
}

/// All mounts of this process's namespace, in the order they cover each other. None if that cannot be read.
pub(super) fn read() -> Vec<MountEntry> {
    let text = fs::read("/proc/self/mountinfo").unwrap_or_default();
    text.split(|byte| *byte == b'\n').filter_map(parse).collect()
}

/// What one sees at `path`, if something is mounted right there.
pub(super) fn top_at(path: &Path) -> Option<MountEntry> {
    read().into_iter().rfind(|entry| entry.point == path)
}

fn parse(line: &[u8]) -> Option<MountEntry> {
    let mut fields = line.split(|byte| *byte == b' ');
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    let list = |field: &[u8]| text(field).split(',').map(str::to_owned).collect();
    let device = text(fields.nth(2)?);
    let point = PathBuf::from(OsString::from_vec(unescape(fields.nth(1)?)));
    let mount_options = list(fields.next()?);
    // Any number of optional fields, then a dash.
    fields.find(|field| *field == b"-")?;
    Some(MountEntry {
        device,
        point,
        mount_options,
        kind: text(fields.next()?),
        source: text(fields.next()?),
        super_options: list(fields.next()?),
    })
}

/// Blanks, line ends and backslashes are written as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (first, escaped) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_with_and_without_optional_fields() {
        for optional in ["", "shared:7 ", "shared:7 master:1 "] {
            let line = format!(
                "36 35 0:53 / /run/a\\040b ro,nosuid {optional}- fuse.hallpass hallpass ro,user_id=0,allow_other"
            );
            let entry = parse(line.as_bytes()).unwrap();
            assert_eq!(entry.point, Path::new("/run/a b"));
            assert_eq!(
                (&*entry.device, &*entry.kind, &*entry.source),
                ("0:53", "fuse.hallpass", "hallpass")
            );
            assert_eq!(entry.mount_options, ["ro", "nosuid"]);
            assert_eq!(entry.super_options, ["ro", "user_id=0", "allow_other"]);
        }
    }

    #[test]
    fn what_is_no_line_is_none() {
        for line in ["", "36 35 0:53 / /run", "36 35 0:53 / /run ro shared:1 fuse x y"] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(unescape(b"a\\134\\0"), b"a\\\\0");
        assert_eq!(unescape(b"\\999\\"), b"\\999\\");
    }
}
