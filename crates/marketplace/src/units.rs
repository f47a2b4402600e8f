//! Units of money, time and identity. Each is its own type: adding USDC to FLT, or a point in time to a
//! distance, does not compile, and no operation here can overflow unseen.

use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;

/// A counter handed out by the chain, never reused; the first is 1.
macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(
            BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord,
        )]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

id! {
    /// A provider: who rents out compute units.
    ProviderId;
    /// A place with a country and a city, of one provider.
    DatacenterId;
    /// An offer: a provider's willingness to accept.
    OfferId;
    /// A deal, from its posting as a demand to its removal.
    DealId;
    /// A worker: some units of one peer, serving one deal.
    WorkerId;
    /// A change of a parameter.
    ChangeId;
    /// A capacity commitment: a peer's word to prove its idle units, with collateral.
    CommitmentId;
    /// An audit of what one unit computed in one window.
    AuditId;
}

/// An account of the chain.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord,
)]
pub struct Address(pub [u8; 20]);

/// A peer: the ed25519 public key of its overlay endpoint.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord,
)]
pub struct PeerId(pub [u8; 32]);

/// A 32-byte digest: the BLAKE3 hash of an artifact or of a document.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord,
)]
pub struct Hash(pub [u8; 32]);

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("0x")?;
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// An amount that adds and subtracts with its own kind only.
macro_rules! amount {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(
            BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord,
        )]
        pub struct $name(pub u128);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// The sum, or None if it does not fit.
            #[must_use]
            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).map(Self)
            }

            /// The difference, or None if it is negative.
            #[must_use]
            pub fn checked_sub(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

amount! {
    /// USDC in millionths (6 decimals).
    Usdc;
    /// FLT in wei (18 decimals), the native coin.
    Flt;
    /// Price of one compute unit for one whole epoch, in millionths of USDC.
    Price;
    /// What all units of a worker, or all workers of a deal, cost in one whole epoch, in millionths of USDC.
    Rate;
    /// Exact money: millionths of USDC times the seconds of an epoch. Nothing is rounded until it is paid.
    Exact;
}

impl Price {
    /// What `units` cost per epoch at this price.
    #[must_use]
    pub fn of_units(self, units: u16) -> Option<Rate> {
        self.0.checked_mul(u128::from(units)).map(Rate)
    }
}

impl Rate {
    /// What accrues at this rate in `span`.
    #[must_use]
    pub fn over(self, span: Seconds) -> Option<Exact> {
        self.0.checked_mul(u128::from(span.0)).map(Exact)
    }

    /// The rate of `count` such workers.
    #[must_use]
    pub fn times(self, count: u128) -> Option<Self> {
        self.0.checked_mul(count).map(Self)
    }
}

impl Usdc {
    /// This amount as exact money, where an epoch has `epoch` seconds.
    #[must_use]
    pub fn exact(self, epoch: Seconds) -> Option<Exact> {
        self.0.checked_mul(u128::from(epoch.0)).map(Exact)
    }
}

impl Exact {
    /// The whole millionths that cover it: rounded up.
    #[must_use]
    pub fn ceil(self, epoch: Seconds) -> Usdc {
        let epoch = u128::from(epoch.0);
        let whole = self.0.checked_div(epoch).unwrap_or(0);
        let rest = self.0.checked_rem(epoch).unwrap_or(0);
        Usdc(whole.saturating_add(u128::from(rest > 0)))
    }

    /// The whole millionths in it, rounded down.
    #[must_use]
    pub fn floor(self, epoch: Seconds) -> Usdc {
        Usdc(self.0.checked_div(u128::from(epoch.0)).unwrap_or(0))
    }

    /// What [`Self::floor`] leaves, less than one millionth.
    #[must_use]
    pub fn remainder(self, epoch: Seconds) -> Self {
        Self(self.0.checked_rem(u128::from(epoch.0)).unwrap_or(0))
    }

    /// Whole seconds that this pays for at `rate`; None if the rate is zero, so it lasts for ever.
    #[must_use]
    pub fn lasts(self, rate: Rate) -> Option<Seconds> {
        let seconds = self.0.checked_div(rate.0)?;
        Some(Seconds(u64::try_from(seconds).unwrap_or(u64::MAX)))
    }
}

/// `a × b / c`, rounded down, with nothing lost between; None if `c` is zero or the result does not fit.
#[must_use]
pub fn mul_div(a: u128, b: u128, c: u128) -> Option<u128> {
    if let Some(product) = a.checked_mul(b) {
        return product.checked_div(c);
    }
    // The product in two words of 128 bits, divided bit by bit.
    let half = |word: u128| (word >> 64, word & u128::from(u64::MAX));
    let ((a1, a0), (b1, b0)) = (half(a), half(b));
    let low = a0.checked_mul(b0)?;
    let (left, right) = (a1.checked_mul(b0)?, a0.checked_mul(b1)?);
    let middle = (low >> 64)
        .checked_add(half(left).1)?
        .checked_add(half(right).1)?;
    let high = a1
        .checked_mul(b1)?
        .checked_add(half(left).0)?
        .checked_add(half(right).0)?
        .checked_add(middle >> 64)?;
    let low = (middle << 64) | (low & u128::from(u64::MAX));
    if high >= c {
        return None;
    }
    let (mut rest, mut quotient) = (high, 0_u128);
    for bit in (0..128).rev() {
        let carry = rest >> 127 == 1;
        rest = (rest << 1) | ((low >> bit) & 1);
        quotient <<= 1;
        if carry || rest >= c {
            rest = rest.wrapping_sub(c);
            quotient |= 1;
        }
    }
    Some(quotient)
}

/// One, in parts per million.
const MILLION: u128 = 1_000_000;

/// So many millionths of `amount`: the whole part, and what is left over in millionths.
fn millionths_of(amount: u128, ppm: u64) -> Option<(u128, u32)> {
    let (millions, rest) = (
        amount.checked_div(MILLION)?,
        amount.checked_rem(MILLION)?.checked_mul(ppm.into())?,
    );
    let whole = millions.checked_mul(ppm.into())?;
    let whole = whole.checked_add(rest.checked_div(MILLION)?)?;
    Some((whole, u32::try_from(rest.checked_rem(MILLION)?).ok()?))
}

impl Usdc {
    /// So many millionths of this amount, rounded down.
    #[must_use]
    pub fn part(self, ppm: u64) -> Option<Self> {
        millionths_of(self.0, ppm).map(|(whole, _)| Self(whole))
    }
}

impl Flt {
    /// So many millionths of this amount, rounded down.
    #[must_use]
    pub fn part(self, ppm: u64) -> Option<Self> {
        millionths_of(self.0, ppm).map(|(whole, _)| Self(whole))
    }

    /// So many millionths of this amount, rounded up.
    #[must_use]
    pub fn part_up(self, ppm: u64) -> Option<Self> {
        let (whole, rest) = millionths_of(self.0, ppm)?;
        whole.checked_add(u128::from(rest > 0)).map(Self)
    }

    /// The share `of / all` of this amount, rounded down.
    #[must_use]
    pub fn share(self, of: Self, all: Self) -> Option<Self> {
        mul_div(self.0, of.0, all.0).map(Self)
    }
}

impl Exact {
    /// So many millionths of this.
    #[must_use]
    pub fn part(self, ppm: u64) -> Option<Part> {
        let (whole, millionths) = millionths_of(self.0, ppm)?;
        let whole = Self(whole);
        Some(Part { whole, millionths })
    }
}

/// A part of exact money that was taken in parts per million, with nothing rounded.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord,
)]
pub struct Part {
    /// Exact money, rounded down.
    pub whole: Exact,
    /// Millionths of exact money beyond that, less than a million.
    pub millionths: u32,
}

impl Part {
    /// Nothing.
    pub const ZERO: Self = Self {
        whole: Exact::ZERO,
        millionths: 0,
    };

    /// Exact money that covers it: rounded up.
    #[must_use]
    pub fn ceil(self) -> Option<Exact> {
        let more = u128::from(self.millionths > 0);
        self.whole.checked_add(Exact(more))
    }

    /// The sum, or None if it does not fit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let sum = u128::from(self.millionths).checked_add(other.millionths.into())?;
        let whole = self.whole.checked_add(other.whole)?;
        Some(Self {
            whole: whole.checked_add(Exact(sum.checked_div(MILLION)?))?,
            millionths: u32::try_from(sum.checked_rem(MILLION)?).ok()?,
        })
    }

    /// The difference, or None if it is negative.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let borrowed = self.millionths < other.millionths;
        let more = if borrowed { 1_000_000 } else { 0 };
        let millionths = self.millionths.checked_add(more)?;
        let whole = self.whole.checked_sub(Exact(borrowed.into()))?;
        Some(Self {
            whole: whole.checked_sub(other.whole)?,
            millionths: millionths.checked_sub(other.millionths)?,
        })
    }
}

/// A distance in time, in whole seconds.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord,
)]
pub struct Seconds(pub u64);

/// A point in protocol time: seconds that count, since genesis. It stands still while the chain does.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord,
)]
pub struct Time(pub u64);

impl Time {
    /// So far away that it never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// The point `span` later.
    #[must_use]
    pub fn after(self, span: Seconds) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The point `span` earlier, not before the beginning.
    #[must_use]
    pub fn before(self, span: Seconds) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// The distance from `earlier`; zero if that is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Seconds {
        Seconds(self.0.saturating_sub(earlier.0))
    }

    /// The epoch this point lies in.
    #[must_use]
    pub fn epoch(self, length: Seconds) -> Epoch {
        Epoch(self.0.checked_div(length.0).unwrap_or(0).saturating_add(1))
    }
}

/// An epoch of the marketplace; the first is 1.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord,
)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch `count` later.
    #[must_use]
    pub fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
