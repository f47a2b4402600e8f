//! Files that are there whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// Writes a file as a whole: after a crash, or a power failure, there is the old one or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_by(path, bytes, |new| File::create(new))
}

/// The same, and nobody but this user may read it.
#[cfg(feature = "acme")]
pub(crate) fn replace_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _};
    replace_by(path, bytes, |new| {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        options.mode(0o600).open(new)
    })
}

fn replace_by(
    path: &Path,
    bytes: &[u8],
    create: impl FnOnce(&Path) -> io::Result<File>,
) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)
}
