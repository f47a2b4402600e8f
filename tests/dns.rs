//! What a DNS server of a test's own says, in the module `dns` of the tests that need one.

/// The question with its answer after it, or with the word that there is no such name.
pub(crate) fn answer(question: &[u8], record: fn(&str) -> Option<&'static str>) -> Vec<u8> {
    let mut name = Vec::new();
    let mut at = 12;
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        name.push(String::from_utf8_lossy(&question[at + 1..end]).into_owned());
        at = end;
    }
    let text = record(&name.join("."));
    let (count, status) = if text.is_some() { (1, 0x80) } else { (0, 0x83) };
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, status, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(&question[12..at + 5]);
    if let Some(text) = text {
        let length = text.len() as u8;
        answer.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 1, 0, length + 1, length]);
        answer.extend(text.as_bytes());
    }
    answer
}
