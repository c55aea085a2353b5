use crate::error::{broken, io};
use crate::index::{IndexError, Table};
use crate::place;
use crate::store::{Store, index_key};
use crate::walk::{Visitor, walk};
use hallpass_upstream::UpstreamError;
use std::collections::VecDeque;

/// Odd keys fetched from the index at a time.
const ODD_PAGE: usize = 256;

/// Where a listing goes on: after a key, or after everything that starts with a common prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum After {
    Key(String),
    Prefix(String),
}

/// What is to be listed.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) prefix: String,
    pub(crate) delimiter: Option<String>,
    pub(crate) after: Option<After>,
    pub(crate) max: usize,
}

/// One page of a listing.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) keys: Vec<String>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) truncated: bool,
    pub(crate) last: Option<After>,
}

pub(crate) fn list(store: &Store, bucket: &str, wanted: &Wanted) -> Result<Page, UpstreamError> {
    let folder = store.bucket_folder(bucket)?;
    let mut collector = Collector {
        wanted,
        page: Page::default(),
        skip: match &wanted.after {
            Some(After::Prefix(prefix)) => Some(prefix.clone()),
            _ => None,
        },
        previous: None,
        odd: OddKeys {
            store,
            bucket,
            from: Some(index_key(bucket, &wanted.prefix)),
            page: VecDeque::new(),
        },
        failed: None,
    };
    if wanted.max > 0 {
        let ended = !walk(&folder, "", &mut collector).map_err(io("list bucket"))?;
        if !ended {
            collector.drain_odd(None);
        }
    }
    match collector.failed {
        Some(error) => Err(broken("list odd keys", error)),
        None => Ok(collector.page),
    }
}

struct Collector<'a> {
    wanted: &'a Wanted,
    page: Page,
    /// Keys with this prefix are accounted for.
    skip: Option<String>,
    previous: Option<String>,
    odd: OddKeys<'a>,
    failed: Option<IndexError>,
}

impl Collector<'_> {
    /// Offers the odd keys up to `until` (all when `None`); `false` ends the listing.
    fn drain_odd(&mut self, until: Option<&str>) -> bool {
        loop {
            match self.odd.next_up_to(until) {
                Ok(Some(key)) => {
                    if !self.offer(&key) {
                        return false;
                    }
                }
                Ok(None) => return true,
                Err(error) => {
                    self.failed = Some(error);
                    return false;
                }
            }
        }
    }

    fn offer(&mut self, key: &str) -> bool {
        let Some(rest) = key.strip_prefix(self.wanted.prefix.as_str()) else {
            return true;
        };
        let seen = self.previous.as_deref() == Some(key)
            || self.skip.as_deref().is_some_and(|skip| key.starts_with(skip))
            || match &self.wanted.after {
                Some(After::Key(after) | After::Prefix(after)) => key <= after.as_str(),
                None => false,
            };
        if seen {
            return true;
        }
        if self.page.keys.len() + self.page.prefixes.len() >= self.wanted.max {
            self.page.truncated = true;
            return false;
        }
        self.previous = Some(key.to_owned());
        let delimiter = self
            .wanted
            .delimiter
            .as_deref()
            .filter(|delimiter| !delimiter.is_empty());
        let cut = delimiter.and_then(|delimiter| rest.find(delimiter).map(|at| at + delimiter.len()));
        if let Some(common) = cut.and_then(|cut| rest.get(..cut)) {
            let common = format!("{}{common}", self.wanted.prefix);
            self.page.prefixes.push(common.clone());
            self.page.last = Some(After::Prefix(common.clone()));
            self.skip = Some(common);
        } else {
            self.page.keys.push(key.to_owned());
            self.page.last = Some(After::Key(key.to_owned()));
        }
        true
    }
}

impl Visitor for Collector<'_> {
    fn wants(&self, folder: &str) -> bool {
        let prefix = self.wanted.prefix.as_str();
        let related = folder.starts_with(prefix) || prefix.starts_with(folder);
        let skipped = self.skip.as_deref().is_some_and(|skip| folder.starts_with(skip));
        let passed = match &self.wanted.after {
            Some(After::Key(after) | After::Prefix(after)) => {
                after.as_str() > folder && !after.starts_with(folder)
            }
            None => false,
        };
        related && !skipped && !passed
    }

    fn key(&mut self, key: &str) -> bool {
        // A file whose key would be another place's is no object, and reading it would fail.
        if place::plain(key).is_none() {
            return true;
        }
        self.drain_odd(Some(key)) && self.offer(key)
    }
}

/// The keys of a bucket that the folders do not show, in order.
struct OddKeys<'a> {
    store: &'a Store,
    bucket: &'a str,
    from: Option<String>,
    page: VecDeque<String>,
}

impl OddKeys<'_> {
    fn next_up_to(&mut self, until: Option<&str>) -> Result<Option<String>, IndexError> {
        if self.page.is_empty()
            && let Some(from) = self.from.take()
        {
            let found = self
                .store
                .index
                .range(Table::Odd, &index_key(self.bucket, ""), &from, ODD_PAGE)?;
            if found.len() == ODD_PAGE {
                self.from = found.last().map(|(key, _)| format!("{key}\0"));
            }
            let skip = self.bucket.len() + 1;
            self.page = found
                .into_iter()
                .filter_map(|(key, _)| key.get(skip..).map(str::to_owned))
                .collect();
        }
        match self.page.front() {
            Some(key) if until.is_none_or(|until| key.as_str() <= until) => Ok(self.page.pop_front()),
            _ => Ok(None),
        }
    }
}
