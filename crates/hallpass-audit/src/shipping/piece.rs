//! A piece of the log, read and packed.

use super::ShippingState;
use crate::Link;
use crate::forwards::Lines;
use crate::layout::{Packed, Packer};
use crate::reader::{Place, day_of, days};
use std::path::Path;

/// A piece has no more bytes before compression, but for its last record.
const PIECE_BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// And no more records.
const PIECE_RECORDS_MAX: usize = 20_000;

/// What was read of the log for one piece.
pub(super) struct Piece {
    pub(super) files: Vec<Packed>,
    pub(super) last: u64,
    pub(super) end: Place,
}

/// Reads the next piece: to `until` exactly when that was written down before (`is_open`), otherwise not beyond it.
pub(super) fn read_piece(
    folder: &Path,
    state: &ShippingState,
    until: u64,
    is_open: bool,
    mut packer: Packer,
) -> Result<Piece, String> {
    let start: Option<Place> = state.place.as_deref().and_then(|place| place.parse().ok());
    let mut last = state.delivered;
    let mut end = None;
    'reading: for path in days(folder).map_err(|error| error.to_string())? {
        let day = day_of(&path);
        let from = start.as_ref().map_or(0, |place| match day.cmp(&place.day) {
            std::cmp::Ordering::Less => u64::MAX,
            std::cmp::Ordering::Equal => place.offset,
            std::cmp::Ordering::Greater => 0,
        });
        if from == u64::MAX {
            continue;
        }
        let mut offset = from;
        for line in Lines::open_at(&path, from).map_err(|error| error.to_string())? {
            let line = line.map_err(|error| error.to_string())?;
            offset += line.bytes.len() as u64 + u64::from(line.is_whole);
            let Some(link) = Link::of(&line.bytes).filter(|link| line.is_whole && link.n > last) else {
                continue;
            };
            packer.add(&line.bytes);
            last = link.n;
            end = Some(Place {
                day: day.clone(),
                offset,
            });
            let (bytes, records) = packer.size();
            let is_full = !is_open && (bytes >= PIECE_BYTES_MAX || records >= PIECE_RECORDS_MAX);
            if last >= until || is_full {
                break 'reading;
            }
        }
    }
    match end {
        Some(end) => Ok(Piece {
            files: packer.finish(),
            last,
            end,
        }),
        None => Err(format!(
            "record {} is not in the log: `hallpass audit verify` tells more",
            state.delivered + 1
        )),
    }
}
