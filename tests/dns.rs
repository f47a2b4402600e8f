//! What a DNS server of a test's own says, in the module `dns` of the tests that need one.

/// The kind of records with text.
pub(crate) const TEXT: u16 = 16;

/// The question with its answer after it: the record of that name and kind, nothing if it is empty, or the word that there is no
/// such name.
pub(crate) fn answer(question: &[u8], record: impl Fn(&str, u16) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut name = Vec::new();
    let mut at = 12;
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        name.push(String::from_utf8_lossy(&question[at + 1..end]).into_owned());
        at = end;
    }
    let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
    let record = record(&name.join("."), kind);
    let status = if record.is_some() { 0x80 } else { 0x83 };
    let record = record.unwrap_or_default();
    let count = u8::from(!record.is_empty());
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, status, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(&question[12..at + 5]);
    if count > 0 {
        let [high, low] = kind.to_be_bytes();
        let length = record.len() as u8;
        answer.extend([0xc0, 12, high, low, 0, 1, 0, 0, 0, 1, 0, length]);
        answer.extend(record);
    }
    answer
}

/// A record with text.
pub(crate) fn text(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}
