use hallpass_types::{AccountId, UnixSeconds};
use std::os::unix::fs::MetadataExt;

/// What tells one state of a file from another: if any of it differs, somebody else wrote the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Identity {
    pub(crate) inode: u64,
    pub(crate) modified: (i64, i64),
    pub(crate) size: u64,
}

impl Identity {
    pub(crate) fn of(meta: &std::fs::Metadata) -> Self {
        Self {
            inode: meta.ino(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            size: meta.size(),
        }
    }
}

/// What S3 knows of an object beyond its bytes.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct ObjectMeta {
    pub(crate) identity: Identity,
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) last_modified: UnixSeconds,
    /// Headers a GET repeats: content type, user metadata, encryption, storage class.
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
    /// `x-amz-checksum-*`, repeated when asked for.
    #[serde(default)]
    pub(crate) checksums: Vec<(String, String)>,
    #[serde(default)]
    pub(crate) tags: Vec<(String, String)>,
    /// The sizes of the parts of a multipart upload.
    #[serde(default)]
    pub(crate) parts: Vec<u64>,
}

impl ObjectMeta {
    pub(crate) fn size(&self) -> u64 {
        self.identity.size
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The index's record of a key: the metadata of its file, and, from before the file is renamed into place, that of the
/// file to come. Which one holds is told by the file's identity, so no crash can pair bytes with other metadata.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Entry {
    /// Whether the file is under `.hallpass/odd`.
    pub(crate) odd: bool,
    pub(crate) candidates: Vec<ObjectMeta>,
}

impl Entry {
    pub(crate) fn of(&self, identity: Identity) -> Option<&ObjectMeta> {
        self.candidates.iter().find(|meta| meta.identity == identity)
    }
}

#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct BucketMeta {
    /// None for a folder made by hand.
    pub(crate) owner: Option<AccountId>,
    pub(crate) created: Option<UnixSeconds>,
    pub(crate) location: Option<String>,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct UploadMeta {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) initiated: UnixSeconds,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) tags: Vec<(String, String)>,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct PartMeta {
    /// The file's name in the upload's folder.
    pub(crate) file: String,
    pub(crate) etag: String,
    pub(crate) size: u64,
    pub(crate) last_modified: UnixSeconds,
    #[serde(default)]
    pub(crate) checksums: Vec<(String, String)>,
}
