use sha2::{Digest, Sha256};

/// The longest name most file systems allow, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// The folders and the file's name, when a key is a path as it stands: then a person finds the object where its key
/// says. Keys that are not would meet another file, escape their folder, or be no names at all.
pub(crate) fn plain(key: &str) -> Option<(Vec<&str>, &str)> {
    let named = |segment: &&str| {
        !segment.is_empty()
            && *segment != "."
            && *segment != ".."
            && segment.len() <= NAME_BYTES_MAX
            && !segment.chars().any(char::is_control)
    };
    let segments: Vec<&str> = key.split('/').collect();
    let (file, folders) = segments.split_last()?;
    let reserved = segments.first() == Some(&".hallpass");
    (!reserved && segments.iter().all(named)).then(|| (folders.to_vec(), *file))
}

/// The name of the file of a key that is no path.
pub(crate) fn odd(key: &str) -> String {
    hex::encode(Sha256::digest(key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_that_are_paths_are_paths() {
        assert_eq!(plain("a/b c+%2F.txt"), Some((vec!["a"], "b c+%2F.txt")));
        assert_eq!(plain("ü"), Some((vec![], "ü")));
        let long = "x".repeat(256);
        for odd in [
            "",
            "a/",
            "/a",
            "a//b",
            ".",
            "..",
            "../x",
            "a/../b",
            "a/./b",
            "a\nb",
            ".hallpass/x",
            &long,
        ] {
            assert_eq!(plain(odd), None, "{odd}");
        }
    }
}
