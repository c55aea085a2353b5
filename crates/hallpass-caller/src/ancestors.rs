use crate::{ProcessDir, Unknown, exe_path};

/// A longer line of ancestors than this is not followed: then they are unknown.
const ANCESTORS_MAX: usize = 64;

/// One process that another descends from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// Its number.
    pub pid: u32,
    /// What it runs, if that can be said ([`exe_path`]).
    pub exe: Result<String, Unknown>,
}

/// The processes that `process` descends from, parent first, up to the first of its namespace.
///
/// Each link is looked at twice, so that no number given away again gets into the line. A process whose parent ended
/// descends from whoever adopted it: this is told of the living only.
///
/// # Errors
/// [`Unknown`] if a process ended meanwhile, or the line is longer than 64.
pub fn ancestors(process: &ProcessDir) -> Result<Vec<Ancestor>, Unknown> {
    let mut line: Vec<Ancestor> = Vec::new();
    let mut parent: Option<ProcessDir> = None;
    loop {
        let child = parent.as_ref().unwrap_or(process);
        let pid = child.parent()?;
        if pid == 0 {
            return Ok(line);
        }
        if line.len() >= ANCESTORS_MAX {
            return Err(Unknown::new(format!(
                "it has more than {ANCESTORS_MAX} ancestors"
            )));
        }
        let next = ProcessDir::open(pid)?;
        if child.parent()? != pid {
            return Err(Unknown::new("its ancestors change"));
        }
        line.push(Ancestor {
            pid,
            exe: exe_path(&next),
        });
        parent = Some(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_line_begins_with_the_parent_and_ends_with_the_first_process() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let line = ancestors(&ProcessDir::open(child.id()).unwrap()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(line.first().unwrap().pid, std::process::id());
        assert_eq!(
            line.first().unwrap().exe.as_ref().unwrap(),
            std::env::current_exe().unwrap().to_str().unwrap()
        );
        assert_eq!(line.last().unwrap().pid, 1);
    }
}
