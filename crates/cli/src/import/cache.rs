//! What was fetched, on this machine's disk: content by its digest, and what tags stood for.
//!
//! Content is looked at again when it is taken out: a file that was damaged or changed is no other function, but none.

use super::{Refused, digest::Digest};
use std::{
    env,
    fs::{self, DirBuilder, File, FileTimes},
    io::{self, Read as _, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Bytes of content that are kept; what was used longest ago goes first.
const MAX_KEPT: u64 = 512 << 20;

/// A folder with what was fetched.
#[derive(Debug)]
pub(super) struct Cache {
    content: PathBuf,
    tags: PathBuf,
}

impl Cache {
    /// Opens a folder, and makes it if it is not there. Only its owner sees what is in it.
    pub(super) fn open(folder: &Path) -> Result<Self, Refused> {
        let cache = Self {
            content: folder.join("content"),
            tags: folder.join("tags"),
        };
        for folder in [&cache.content, &cache.tags] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| cannot_keep(folder, &error))?;
        }
        Ok(cache)
    }

    /// Content of at most `most` bytes, if it is there and nobody has changed it.
    pub(super) fn get(&self, digest: &Digest, most: u64) -> Option<Vec<u8>> {
        let file = File::open(self.content.join(digest.file_name())).ok()?;
        let mut bytes = Vec::new();
        let read = (&file).take(most).read_to_end(&mut bytes);
        if read.is_err() || !digest.is_of(&bytes) {
            return None;
        }
        // When it was used last matters only for who goes first.
        let _ = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
        Some(bytes)
    }

    /// Keeps content under its digest.
    pub(super) fn put(&self, digest: &Digest, bytes: &[u8]) -> Result<(), Refused> {
        write(&self.content, &digest.file_name(), bytes)
    }

    /// What a tag stood for when it was looked at last, by a name for it.
    pub(super) fn tag(&self, name: &Digest) -> Option<Digest> {
        let text = fs::read_to_string(self.tags.join(name.file_name())).ok()?;
        text.parse().ok()
    }

    /// Notes what a tag stands for.
    pub(super) fn note_tag(&self, name: &Digest, digest: &Digest) -> Result<(), Refused> {
        let digest = digest.to_string();
        write(&self.tags, &name.file_name(), digest.as_bytes())
    }

    /// Lets content go that was used longest ago, if there is too much.
    pub(super) fn trim(&self) -> Result<(), Refused> {
        trim(&self.content, MAX_KEPT).map_err(|error| cannot_keep(&self.content, &error))
    }
}

/// The folder that is used if nobody names one.
pub(super) fn usual_folder() -> Result<PathBuf, Refused> {
    let absolute = |name: &str, below: &str| {
        let folder = PathBuf::from(env::var_os(name)?);
        folder.is_absolute().then(|| folder.join(below))
    };
    let folder = absolute("XDG_CACHE_HOME", "").or_else(|| absolute("HOME", ".cache"));
    let folder = folder.ok_or_else(|| Refused {
        what: "there is no home folder to keep fetched functions in".into(),
        hint: "say where with --cache".into(),
    })?;
    Ok(folder.join("marketplace-plus/functions"))
}

/// A file is whole or not there.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Refused> {
    let written = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.persist(folder.join(name))?;
        Ok(())
    };
    written().map_err(|error| cannot_keep(folder, &error))
}

fn trim(folder: &Path, most: u64) -> io::Result<()> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Another `mp` may have let it go by now.
        if let Ok(metadata) = entry.metadata() {
            kept.push((metadata.modified()?, metadata.len(), entry.path()));
        }
    }
    kept.sort();
    let mut size: u64 = kept.iter().map(|(_, size, _)| size).sum();
    for (_, length, path) in kept {
        if size <= most {
            break;
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => size -= length,
        }
    }
    Ok(())
}

fn cannot_keep(folder: &Path, error: &io::Error) -> Refused {
    let folder = folder.display();
    Refused {
        what: format!("fetched functions cannot be kept in {folder}: {error}"),
        hint: "name another folder with --cache".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cache, trim};
    use crate::import::digest::{Algorithm, Digest};
    use std::{fs, time::Duration, time::SystemTime};

    fn named(bytes: &[u8]) -> Digest {
        Digest::of(Algorithm::Sha256, bytes)
    }

    /// (P22)
    #[test]
    fn what_was_changed_on_disk_is_not_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let digest = named(b"content");
        assert_eq!(cache.get(&digest, 100), None);
        cache.put(&digest, b"content").unwrap();
        assert_eq!(cache.get(&digest, 100).as_deref(), Some(&b"content"[..]));
        assert_eq!(cache.get(&digest, 6), None, "it is too large");
        fs::write(cache.content.join(digest.file_name()), b"contend").unwrap();
        assert_eq!(cache.get(&digest, 100), None);
        cache.put(&digest, b"content").unwrap();
        assert!(cache.get(&digest, 100).is_some(), "it is mended");
    }

    #[test]
    fn what_a_tag_stood_for_is_known_until_it_is_noted_anew() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let (tag, first, second) = (named(b"tag"), named(b"1"), named(b"2"));
        assert_eq!(cache.tag(&tag), None);
        for digest in [first, second] {
            cache.note_tag(&tag, &digest).unwrap();
            assert_eq!(cache.tag(&tag), Some(digest));
        }
    }

    #[test]
    fn content_that_was_used_longest_ago_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let old = SystemTime::now() - Duration::from_secs(3_600);
        let contents: [&[u8]; 3] = [b"first", b"second", b"third"];
        for (age, bytes) in contents.iter().enumerate() {
            cache.put(&named(bytes), bytes).unwrap();
            let file = fs::File::open(cache.content.join(named(bytes).file_name())).unwrap();
            file.set_modified(old + Duration::from_secs(age as u64))
                .unwrap();
        }
        cache.get(&named(b"first"), 100).unwrap();
        trim(&cache.content, 11).unwrap();
        let kept = contents.map(|bytes| cache.get(&named(bytes), 100).is_some());
        assert_eq!(kept, [true, false, true]);
    }
}
