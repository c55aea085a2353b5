use crate::{FileKind, Reader};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// Files open at the same time, each with a few kilobytes of its own.
const HANDLES_MAX: usize = 16_384;

/// The open files, those being opened included.
#[derive(Debug, Default)]
pub(super) struct Handles {
    open: Mutex<(u64, HashMap<u64, Arc<Handle>>)>,
    count: AtomicUsize,
}

/// One open file: what it showed when it was opened, and to whom.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) role: String,
    pub(super) kind: FileKind,
    pub(super) reader: Reader,
    pub(super) content: Zeroizing<Vec<u8>>,
}

/// Room for one handle. Given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Option<Arc<Handles>>);

impl Handles {
    /// Room for a file that is about to be opened, if there is any.
    pub(super) fn reserve(self: &Arc<Self>) -> Option<Place> {
        if self.count.fetch_add(1, Ordering::SeqCst) >= HANDLES_MAX {
            self.count.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        Some(Place(Some(Arc::clone(self))))
    }

    pub(super) fn get(&self, number: u64) -> Option<Arc<Handle>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.1.get(&number).cloned()
    }

    pub(super) fn release(&self, number: u64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.1.remove(&number).is_some() {
            self.count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Place {
    /// Takes the place; the number is the file's from now on.
    pub(super) fn fill(mut self, handle: Handle) -> u64 {
        let Some(handles) = self.0.take() else {
            return 0;
        };
        let mut open = handles.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.0 += 1;
        let number = open.0;
        open.1.insert(number, Arc::new(handle));
        number
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(handles) = &self.0 {
            handles.count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle() -> Handle {
        Handle {
            role: "web".to_owned(),
            kind: FileKind::Env,
            reader: Reader {
                uid: 1,
                gids: vec![],
                pid: 0,
            },
            content: Zeroizing::new(vec![]),
        }
    }

    #[test]
    fn places_are_bounded_and_come_back() {
        let handles = Arc::new(Handles::default());
        let mut places: Vec<Place> = (0..HANDLES_MAX).map(|_| handles.reserve().unwrap()).collect();
        assert!(handles.reserve().is_none());
        let number = places.pop().unwrap().fill(handle());
        // A filled place is still taken, an abandoned one is free again.
        assert!(handles.reserve().is_none());
        drop(places.pop());
        assert!(handles.reserve().is_some());
        handles.release(number);
        handles.release(number);
        assert!(handles.get(number).is_none());
        let two = (handles.reserve(), handles.reserve());
        assert!(two.0.is_some() && two.1.is_some() && handles.reserve().is_none());
    }
}
