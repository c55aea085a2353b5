use crate::folders;
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;

/// Who is shown a bucket's keys, in the order of their bytes.
pub(crate) trait Visitor {
    /// Whether a folder (its path, ending in `/`) can hold anything of interest.
    fn wants(&self, folder: &str) -> bool;
    /// The next key; `false` ends the walk.
    fn key(&mut self, key: &str) -> bool;
}

/// Walks a folder; `false` when the visitor ended it. At any time the names of one folder per level are in memory.
pub(crate) fn walk(folder: &OwnedFd, path: &str, visitor: &mut dyn Visitor) -> io::Result<bool> {
    let mut entries = folders::entries(folder)?;
    // With its slash a folder's name sorts where its keys do: `a.txt` comes before `a/b`.
    for (name, is_folder) in &mut entries {
        if *is_folder {
            name.push('/');
        }
    }
    entries.sort_unstable();
    for (name, is_folder) in entries {
        let here = format!("{path}{name}");
        if !is_folder {
            if !visitor.key(&here) {
                return Ok(false);
            }
        } else if visitor.wants(&here) {
            let inner = match folders::open(folder, name.trim_end_matches('/')) {
                Ok(inner) => inner,
                // Gone or replaced since the folder was read.
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                    _ => return Err(error),
                },
            };
            if !walk(&inner, &here, visitor)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
