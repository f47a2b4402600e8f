//! Who votes, and the group key their votes add up to. The only place that knows how both come about.
//!
//! A dealer makes the first set for a test network. Changing the set by resharing will keep the group key, so
//! that a light client can pin one key; it belongs behind the same type.

use crate::block::Digest;
use commonware_codec::{Decode as _, DecodeExt, Encode as _};
use commonware_consensus::simplex::scheme::bls12381_threshold::vrf;
use commonware_cryptography::{
    Signer as _,
    bls12381::{
        dkg::feldman_desmedt,
        primitives::{
            group::Share,
            sharing::{Mode, ModeVersion, Sharing},
            variant::MinSig,
        },
    },
    ed25519,
};
use commonware_formatting::{from_hex, hex};
use commonware_math::algebra::Random as _;
use commonware_utils::{
    N3f1, NZU32,
    ordered::{Quorum as _, Set},
};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

/// A validator's name in consensus and on the network.
pub type PublicKey = ed25519::PublicKey;

/// How votes and certificates are made and checked.
pub type Scheme = vrf::Scheme<PublicKey, MinSig>;

/// Most validators of one set.
pub const MAX_VALIDATORS: u32 = 256;

/// The set of validators and the group key, as the genesis file carries them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    participants: Set<PublicKey>,
    sharing: Sharing<MinSig>,
}

/// What one validator alone knows.
#[derive(Clone, Debug)]
pub struct ValidatorKey {
    /// Signs handshakes and messages of the network.
    pub signer: ed25519::PrivateKey,
    /// Its part of the group's signing key.
    pub share: Share,
}

/// Why a set of validators or a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not the hexadecimal form of what is expected.
    #[error("{what} is not valid\nhint: take it from the network folder that `mp testnet` made")]
    Malformed {
        /// What was read.
        what: &'static str,
    },
    /// The number of keys does not fit the group key, or there are too many or none.
    #[error("{keys} validators do not fit a group key for {group}")]
    Mismatch {
        /// How many keys there are.
        keys: usize,
        /// How many the group key was made for.
        group: u32,
    },
    /// The key belongs to no validator of this set.
    #[error(
        "this key is none of the network's validators\nhint: check that key and genesis belong together"
    )]
    Stranger,
}

/// [`ValidatorKey`] in a validator's key file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorKeyFile {
    /// ed25519 seed, hexadecimal.
    pub signer: String,
    /// Share of the group's signing key, hexadecimal.
    pub share: String,
}

impl Validators {
    /// Makes keys for `count` validators; whoever runs this could sign for all of them, so it is for test
    /// networks only. Keys come in the order of the set.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if `count` is 0 or above [`MAX_VALIDATORS`].
    pub fn deal(rng: &mut impl CryptoRng, count: u32) -> Result<(Self, Vec<ValidatorKey>), Error> {
        let mismatch = |_| Error::Mismatch {
            keys: count as usize,
            group: count.min(MAX_VALIDATORS),
        };
        if count == 0 || count > MAX_VALIDATORS {
            return Err(mismatch(()));
        }
        let mut signers: Vec<_> = (0..count)
            .map(|_| ed25519::PrivateKey::random(&mut *rng))
            .collect();
        signers.sort_by_key(ed25519::PrivateKey::public_key);
        let keys = signers.iter().map(ed25519::PrivateKey::public_key);
        let participants: Set<_> =
            Set::try_from(keys.collect::<Vec<_>>()).map_err(|_| mismatch(()))?;
        let mode = Mode::NonZeroCounter;
        let (output, shares) =
            feldman_desmedt::deal::<MinSig, _, N3f1>(&mut *rng, mode, participants.clone())
                .map_err(|_| mismatch(()))?;
        let keys = signers
            .into_iter()
            .zip(shares.values())
            .map(|(signer, share)| ValidatorKey {
                signer,
                share: share.clone(),
            })
            .collect();
        let sharing = output.public().clone();
        Ok((
            Self {
                participants,
                sharing,
            },
            keys,
        ))
    }

    /// The validators' public keys in ascending order.
    pub fn participants(&self) -> &Set<PublicKey> {
        &self.participants
    }

    /// How the validator with this key votes on the chain of that genesis.
    ///
    /// # Errors
    /// [`Error::Stranger`] if the key is not one of this set.
    pub fn signer(&self, genesis: &Digest, key: &ValidatorKey) -> Result<Scheme, Error> {
        let place = self.participants.position(&key.signer.public_key());
        if place != Some(key.share.index.get() as usize) {
            return Err(Error::Stranger);
        }
        Scheme::signer(
            &namespace(genesis),
            self.participants.clone(),
            self.sharing.clone(),
            key.share.clone(),
        )
        .ok_or(Error::Stranger)
    }

    /// The validators' public keys and the group's public polynomial, hexadecimal, as the genesis file has them.
    pub fn to_hex(&self) -> (Vec<String>, String) {
        let keys = self.participants.iter().map(|key| hex(key)).collect();
        (keys, hex(&self.sharing.encode()))
    }

    /// Reads what [`Validators::to_hex`] gave.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything that is no key; [`Error::Mismatch`] if keys and group do not fit.
    pub fn from_hex(keys: &[String], group: &str) -> Result<Self, Error> {
        let decode = |key| read_hex::<PublicKey>(key, "a validator's public key");
        let keys = keys
            .iter()
            .map(|key| decode(key))
            .collect::<Result<Vec<_>, _>>()?;
        let what = "the group key";
        let group = from_hex(group).ok_or(Error::Malformed { what })?;
        let limits = (NZU32!(MAX_VALIDATORS), ModeVersion::v0());
        let sharing = Sharing::decode_cfg(group, &limits).map_err(|_| Error::Malformed { what })?;
        let mismatch = Error::Mismatch {
            keys: keys.len(),
            group: sharing.total().get(),
        };
        let fits = keys.len() == sharing.total().get() as usize && keys.is_sorted();
        match Set::try_from(keys) {
            Ok(participants) if fits && sharing.required() == participants.quorum::<N3f1>() => {
                Ok(Self {
                    participants,
                    sharing,
                })
            }
            _ => Err(mismatch),
        }
    }
}

impl ValidatorKey {
    /// The form in the key file.
    pub fn to_file(&self) -> ValidatorKeyFile {
        ValidatorKeyFile {
            signer: hex(&self.signer.encode()),
            share: hex(&self.share.encode()),
        }
    }

    /// Reads the form in the key file.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything that is no key.
    pub fn from_file(file: &ValidatorKeyFile) -> Result<Self, Error> {
        Ok(Self {
            signer: read_hex(&file.signer, "the validator's signing key")?,
            share: read_hex(&file.share, "the validator's share")?,
        })
    }
}

/// Votes of one chain mean nothing on another.
fn namespace(genesis: &Digest) -> Vec<u8> {
    [b"marketplace-plus/consensus/1/".as_slice(), genesis].concat()
}

fn read_hex<T: DecodeExt<()>>(text: &str, what: &'static str) -> Result<T, Error> {
    let bytes = from_hex(text).ok_or(Error::Malformed { what })?;
    T::decode(bytes).map_err(|_| Error::Malformed { what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_cryptography::{Hasher as _, Sha256};

    #[test]
    fn keys_that_were_dealt_read_back_and_can_sign() {
        let mut rng = commonware_utils::test_rng();
        let genesis = Sha256::hash(&[b"genesis"]);
        for count in [1, 4] {
            let (validators, keys) = Validators::deal(&mut rng, count).expect("a sound count");
            let (public, group) = validators.to_hex();
            assert_eq!(
                Validators::from_hex(&public, &group).expect("reads"),
                validators
            );
            for key in keys {
                let key = ValidatorKey::from_file(&key.to_file()).expect("reads");
                validators.signer(&genesis, &key).expect("a member");
            }
        }
    }

    #[test]
    fn keys_and_groups_that_do_not_fit_are_refused() {
        let mut rng = commonware_utils::test_rng();
        let genesis = Sha256::hash(&[b"genesis"]);
        let (four, _) = Validators::deal(&mut rng, 4).expect("a sound count");
        let (_, strangers) = Validators::deal(&mut rng, 4).expect("a sound count");
        let stranger = four.signer(&genesis, &strangers[0]);
        assert!(matches!(stranger, Err(Error::Stranger)));

        let (mut keys, group) = four.to_hex();
        let bad = Validators::from_hex(&keys, &group[2..]);
        assert!(matches!(bad, Err(Error::Malformed { .. })));
        keys.swap(0, 1);
        let bad = Validators::from_hex(&keys, &group);
        assert!(matches!(bad, Err(Error::Mismatch { .. })));
        keys.pop();
        let bad = Validators::from_hex(&keys, &group);
        assert!(matches!(bad, Err(Error::Mismatch { .. })));
        assert!(Validators::deal(&mut rng, 0).is_err());
        assert!(Validators::deal(&mut rng, MAX_VALIDATORS + 1).is_err());
    }
}
