//! Amounts as people write them: decimal numbers of whole coins, never floats; and numbers of things.

use crate::document::clip;
use client::marketplace::units::{Flt, Usdc};
use std::fmt::Display;

/// Decimals of USDC.
const USDC_DECIMALS: u32 = 6;
/// Decimals of a share in per cent.
const PERCENT_DECIMALS: u32 = 4;
/// Decimals of FLT.
const FLT_DECIMALS: u32 = 18;

/// Reads USDC such as `12` or `0.25`.
///
/// # Errors
/// In words, if it is none.
pub(crate) fn parse_usdc(text: &str) -> Result<Usdc, String> {
    let amount = parse(text, USDC_DECIMALS);
    amount.map(Usdc).ok_or_else(|| {
        let text = clip(text);
        format!("{text:?} is no amount of USDC; write a decimal number like 12 or 0.25, with at most 6 decimals")
    })
}

/// Reads FLT such as `1` or `0.5`.
///
/// # Errors
/// In words, if it is none.
pub(crate) fn parse_flt(text: &str) -> Result<Flt, String> {
    let amount = parse(text, FLT_DECIMALS);
    amount.map(Flt).ok_or_else(|| {
        let text = clip(text);
        format!("{text:?} is no amount of FLT; write a decimal number like 1 or 0.5, with at most 18 decimals")
    })
}

/// Reads dollars such as `1` or `0.25`, as millionths.
///
/// # Errors
/// In words, if it is none.
pub(crate) fn parse_dollars(text: &str) -> Result<u64, String> {
    let amount = parse(text, USDC_DECIMALS).and_then(|amount| amount.try_into().ok());
    amount.ok_or_else(|| {
        let text = clip(text);
        format!("{text:?} is no amount of dollars; write a decimal number like 1 or 0.25, with at most 6 decimals")
    })
}

/// Reads per cent such as `25` or `12.5`, as millionths.
///
/// # Errors
/// In words, if it is none, or more than all.
pub(crate) fn parse_percent(text: &str) -> Result<u32, String> {
    let share = parse(text, PERCENT_DECIMALS).filter(|share| *share <= 1_000_000);
    let share = share.and_then(|share| share.try_into().ok());
    share.ok_or_else(|| {
        let text = clip(text);
        format!("{text:?} is no share in per cent; write a decimal number from 0 to 100, like 25 or 12.5, with at most 4 decimals")
    })
}

/// Millionths of a dollar as people read them.
pub(crate) fn dollars(millionths: u64) -> String {
    format!("{} USD", decimal(millionths.into(), USDC_DECIMALS))
}

/// Millionths of a whole as people read them.
pub(crate) fn percent(millionths: u32) -> String {
    format!("{} %", decimal(millionths.into(), PERCENT_DECIMALS))
}

/// Millionths of USDC as people read them.
pub(crate) fn usdc(millionths: u128) -> String {
    format!("{} USDC", decimal(millionths, USDC_DECIMALS))
}

/// Wei as people read them.
pub(crate) fn flt(wei: u128) -> String {
    format!("{} FLT", decimal(wei, FLT_DECIMALS))
}

fn decimal(amount: u128, decimals: u32) -> String {
    let one = 10_u128.pow(decimals);
    let part = format!("{:0width$}", amount % one, width = decimals as usize);
    match part.trim_end_matches('0') {
        "" => (amount / one).to_string(),
        part => format!("{}.{part}", amount / one),
    }
}

/// A number of things, each of them called `one`: `1 worker`, `2 workers`.
pub(crate) fn counted(number: impl Display, one: &str) -> String {
    match number.to_string().as_str() {
        "1" => format!("1 {one}"),
        number => format!("{number} {one}s"),
    }
}

fn parse(text: &str, decimals: u32) -> Option<u128> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let missing = decimals.checked_sub(u32::try_from(part.len()).ok()?)?;
    if !digits(whole) || !digits(part) {
        return None;
    }
    let part = part
        .parse::<u128>()
        .ok()?
        .checked_mul(10_u128.pow(missing))?;
    let whole = whole
        .parse::<u128>()
        .ok()?
        .checked_mul(10_u128.pow(decimals))?;
    whole.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::{
        counted, dollars, flt, parse_dollars, parse_flt, parse_percent, parse_usdc, percent, usdc,
    };

    /// (P2)
    #[test]
    fn amounts_are_exact_in_both_directions() {
        for (text, millionths) in [
            ("12", 12_000_000),
            ("0.25", 250_000),
            ("0.000001", 1),
            ("007.5", 7_500_000),
        ] {
            assert_eq!(parse_usdc(text).unwrap().0, millionths);
        }
        assert_eq!(parse_flt("0.5").unwrap().0, 500_000_000_000_000_000);
        assert_eq!(usdc(12_000_000), "12 USDC");
        assert_eq!(usdc(250_001), "0.250001 USDC");
        assert_eq!(usdc(1_200_000), "1.2 USDC");
        assert_eq!(flt(1_000_000_000_000_000), "0.001 FLT");
        assert_eq!(parse_dollars("0.25").unwrap(), 250_000);
        assert_eq!(dollars(1_500_000), "1.5 USD");
        assert_eq!(parse_percent("12.5").unwrap(), 125_000);
        assert_eq!(percent(1_000_000), "100 %");
    }

    #[test]
    fn one_thing_is_not_many() {
        let said = [0_u16, 1, 2, 11].map(|number| counted(number, "CU"));
        assert_eq!(said, ["0 CUs", "1 CU", "2 CUs", "11 CUs"]);
    }

    /// (P2)
    #[test]
    fn what_is_no_exact_amount_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            "0.0000001",
            "1 ",
            "340282366920938463463374607431769",
        ] {
            assert!(parse_usdc(text).is_err(), "{text:?}");
        }
        assert!(parse_percent("100.0001").is_err() && parse_percent("1.00001").is_err());
        assert!(parse_dollars("18446744073710").is_err());
    }
}
