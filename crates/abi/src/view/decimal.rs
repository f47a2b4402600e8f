//! Amounts in JSON: decimal strings, since JSON's numbers lose digits beyond 2^53.
//!
//! For `#[serde(with = "abi::view::decimal")]` on a `u128`.

use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

/// Writes the amount as a decimal string.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// Reads a decimal string without sign, spaces or leading plus.
///
/// # Errors
/// Anything else, and amounts of 2^128 and more.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(amount) if digits => Ok(amount),
        _ => Err(D::Error::custom(format!(
            "{text:?} is not an amount; write a decimal string like \"1000000\""
        ))),
    }
}
