//! Custom sections of WebAssembly that are found from the end of an artifact.
//!
//! Other hosts skip them, so an artifact stays the component that it begins with. A section holds, after what WebAssembly
//! wants of it (0, its length, its name), what is ours; then the length of the whole section (4 bytes, little-endian),
//! and the name again.

/// Length of the section.
const LENGTH_BYTES: usize = 4;

/// What a section called `name` has beside its content.
pub(crate) const fn frame_bytes(name: &[u8]) -> usize {
    // Identifier, length (five bytes, whatever it is), length of the name, name; length, name.
    1 + 5 + 1 + name.len() + LENGTH_BYTES + name.len()
}

/// Puts a section with `parts`, one after the other, behind the artifact. All together has to fit into 4 bytes.
pub(crate) fn append(artifact: &mut Vec<u8>, name: &[u8], parts: &[&[u8]]) {
    let content: usize = parts.iter().map(|part| part.len()).sum();
    artifact.extend(head(name, content));
    for part in parts {
        artifact.extend_from_slice(part);
    }
    artifact.extend(tail(name, content));
}

/// What comes before the section called `name` that the artifact ends with, and the section's content.
pub(crate) fn last<'a>(artifact: &'a [u8], name: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let length = artifact
        .strip_suffix(name)?
        .last_chunk::<LENGTH_BYTES>()
        .copied()?;
    let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
    let (before, section) = artifact.split_at_checked(artifact.len().checked_sub(length)?)?;
    let content = length.checked_sub(frame_bytes(name))?;
    let rest = section.strip_prefix(&head(name, content)[..])?;
    Some((before, rest.get(..content)?))
}

fn head(name: &[u8], content: usize) -> Vec<u8> {
    let mut head = vec![0];
    head.extend(leb128(frame_bytes(name) + content - 6));
    head.push(name.len() as u8);
    head.extend_from_slice(name);
    head
}

fn tail(name: &[u8], content: usize) -> Vec<u8> {
    let whole = (frame_bytes(name) + content) as u32;
    [&whole.to_le_bytes(), name].concat()
}

/// Five bytes, also where fewer would do.
fn leb128(number: usize) -> [u8; 5] {
    let part = |place: u32| (number >> (7 * place) & 0x7f) as u8;
    [
        part(0) | 0x80,
        part(1) | 0x80,
        part(2) | 0x80,
        part(3) | 0x80,
        part(4),
    ]
}
