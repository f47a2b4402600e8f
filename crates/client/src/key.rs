//! Keys, and the files they lie in: JSON that only its owner can read (K7).
//!
//! ```json
//! { "address": "0x…", "secret": "0x…" }
//! ```
//! An account key signs transactions. The keys of a peer are two: the overlay key (ed25519) is the peer's identity,
//! the operator key (secp256k1) reports for it on the chain.
//! ```json
//! { "peer": "0x…", "overlay_secret": "0x…", "operator": "0x…", "operator_secret": "0x…" }
//! ```

use alloy_consensus::crypto::secp256k1::sign_message;
use alloy_primitives::{Address, B256, Signature, keccak256};
use ed25519_dalek::{Signer as _, SigningKey};
use marketplace::peer::registration_message;
use marketplace::units::{PeerId, ProviderId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Bytes of a key file.
const MAX_FILE: u64 = 4096;
/// Mode bits of everybody but the owner.
const OTHERS: u32 = 0o077;
/// What the secret of a source is derived under.
const SOURCE: &[u8] = b"marketplace+/source/1";

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read or written.
    #[error("key file {path}: {source}\nhint: `mp key new` makes one")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is there already.
    #[error(
        "key file {path} exists already\nhint: choose another name; a key that is overwritten is lost"
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others can read it.
    #[error(
        "key file {path} can be read by others\nhint: chmod 600 {path}; if it lay open for long, use a new key"
    )]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// It does not hold a key of this kind.
    #[error(
        "key file {path}: {reason}\nhint: `mp key new` makes the key of an account, `mp key new --peer` those of a peer"
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The secp256k1 key of an account.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountKey {
    secret: B256,
    address: Address,
}

impl fmt::Debug for AccountKey {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountKey({})", self.address)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountFile {
    address: Address,
    secret: B256,
}

impl AccountKey {
    /// A new key.
    pub fn generate() -> Self {
        loop {
            // All but a vanishing part of 32 random bytes are a key.
            if let Some(key) = Self::from_secret(rand::random::<[u8; 32]>().into()) {
                return key;
            }
        }
    }

    /// The key with this secret; None if it is zero or too large.
    pub fn from_secret(secret: B256) -> Option<Self> {
        let signature = sign_message(secret, B256::ZERO).ok()?;
        let address = signature.recover_address_from_prehash(&B256::ZERO).ok()?;
        Some(Self { secret, address })
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// If it cannot be read, can be read by others, or holds something else.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let file: AccountFile = load(path)?;
        account(path, file.secret, file.address)
    }

    /// Writes a new key file.
    ///
    /// # Errors
    /// If it exists or cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let (address, secret) = (self.address, self.secret);
        save(path, &AccountFile { address, secret })
    }

    /// The account.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The secret of the overlay key under which the account's owner gives artifacts to peers. It follows from the
    /// account's secret, so that a deployment that was interrupted can go on; nothing about the account follows from it.
    pub fn source_seed(&self) -> [u8; 32] {
        keccak256([SOURCE, self.secret.as_slice()].concat()).0
    }

    /// That overlay key, as deals name it.
    pub fn source(&self) -> PeerId {
        let key = SigningKey::from_bytes(&self.source_seed());
        PeerId(key.verifying_key().to_bytes())
    }

    /// Signs a hash.
    pub(crate) fn sign(&self, hash: B256) -> Signature {
        sign_message(self.secret, hash).expect("the secret signed before")
    }
}

/// The keys of a peer.
#[derive(Clone)]
pub struct PeerKey {
    overlay: SigningKey,
    operator: AccountKey,
}

impl fmt::Debug for PeerKey {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PeerKey({}, operator {})",
            self.id(),
            self.operator.address
        )
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeerFile {
    peer: B256,
    overlay_secret: B256,
    operator: Address,
    operator_secret: B256,
}

impl PeerKey {
    /// New keys.
    pub fn generate() -> Self {
        Self {
            overlay: SigningKey::from_bytes(&rand::random()),
            operator: AccountKey::generate(),
        }
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// If it cannot be read, can be read by others, or holds something else.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let file: PeerFile = load(path)?;
        let key = Self {
            overlay: SigningKey::from_bytes(&file.overlay_secret.0),
            operator: account(path, file.operator_secret, file.operator)?,
        };
        if key.id() != PeerId(file.peer.0) {
            return Err(content(path, "`peer` is not the key of `overlay_secret`"));
        }
        Ok(key)
    }

    /// Writes a new key file.
    ///
    /// # Errors
    /// If it exists or cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let file = PeerFile {
            peer: self.id().0.into(),
            overlay_secret: self.overlay_seed().into(),
            operator: self.operator.address,
            operator_secret: self.operator.secret,
        };
        save(path, &file)
    }

    /// The peer's id: the public overlay key.
    pub fn id(&self) -> PeerId {
        PeerId(self.overlay.verifying_key().to_bytes())
    }

    /// The secret overlay key, for its endpoint.
    pub fn overlay_seed(&self) -> [u8; 32] {
        self.overlay.to_bytes()
    }

    /// The key that reports for the peer.
    pub fn operator(&self) -> &AccountKey {
        &self.operator
    }

    /// What shows that whoever registers the peer has its key.
    pub fn sign_registration(&self, chain_id: u64, provider: ProviderId) -> [u8; 64] {
        let message = registration_message(chain_id, provider, self.id());
        self.overlay.sign(&message).to_bytes()
    }
}

fn account(path: &Path, secret: B256, address: Address) -> Result<AccountKey, Error> {
    match AccountKey::from_secret(secret) {
        Some(key) if key.address == address => Ok(key),
        Some(_) => Err(content(path, "the address is not that of the secret")),
        None => Err(content(path, "the secret is zero or too large")),
    }
}

fn load<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let failed = |source| Error::File {
        path: path.to_path_buf(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & OTHERS != 0 {
        let path = path.to_path_buf();
        return Err(Error::Open { path });
    }
    let mut text = String::new();
    file.take(MAX_FILE)
        .read_to_string(&mut text)
        .map_err(failed)?;
    // Serde's messages quote what they cannot read, which may be the secret; the place is enough.
    serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        content(
            path,
            &format!("not the JSON of such a key, at line {line}, column {column}"),
        )
    })
}

fn save(path: &Path, key: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_string_pretty(key).expect("plain data");
    text.push('\n');
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|source| {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists { path },
            _ => Error::File { path, source },
        }
    })
}

fn content(path: &Path, reason: &str) -> Error {
    Error::Content {
        path: path.to_path_buf(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{AccountKey, Error, PeerKey};
    use alloy_primitives::{address, b256};
    use ed25519_dalek::{Signature, VerifyingKey};
    use marketplace::{peer::registration_message, units::ProviderId};
    use std::{fs, os::unix::fs::PermissionsExt as _};

    #[test]
    fn an_account_has_the_address_that_wallets_show() {
        let secret = b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
        let key = AccountKey::from_secret(secret).unwrap();
        assert_eq!(
            key.address(),
            address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
        );
        assert!(!format!("{key:?}").contains("ac0974"));
        assert_eq!(key.source_seed(), key.clone().source_seed());
        assert_ne!(key.source_seed(), AccountKey::generate().source_seed());
        assert_ne!(key.source_seed(), secret.0);
    }

    /// (K7)
    #[test]
    fn keys_survive_their_files_and_are_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.json"), folder.path().join("b.json"));
        let (account, peer) = (AccountKey::generate(), PeerKey::generate());
        account.save(&a).unwrap();
        peer.save(&b).unwrap();
        assert_eq!(AccountKey::load(&a).unwrap(), account);
        let loaded = PeerKey::load(&b).unwrap();
        assert_eq!(
            (loaded.id(), loaded.operator()),
            (peer.id(), peer.operator())
        );
        assert_eq!(
            fs::metadata(&b).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(matches!(peer.save(&a), Err(Error::Exists { .. })));
        assert_eq!(AccountKey::load(&a).unwrap(), account);
        assert!(matches!(AccountKey::load(&b), Err(Error::Content { .. })));
    }

    /// (K7)
    #[test]
    fn a_file_that_others_can_read_or_that_contradicts_itself_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        AccountKey::generate().save(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(AccountKey::load(&path), Err(Error::Open { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let other = format!("{}", AccountKey::generate().address()).to_lowercase();
        let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
        let secret = file["secret"].as_str().unwrap().to_owned();
        file["address"] = other.into();
        fs::write(&path, file.to_string()).unwrap();
        let error = AccountKey::load(&path).unwrap_err().to_string();
        assert!(
            error.contains("not that of the secret") && !error.contains(&secret),
            "{error}"
        );
        assert!(error.contains("hint:"), "{error}");
    }

    #[test]
    fn a_registration_is_signed_as_the_marketplace_checks_it() {
        let key = PeerKey::generate();
        let signature = Signature::from_bytes(&key.sign_registration(31_337, ProviderId(7)));
        let message = registration_message(31_337, ProviderId(7), key.id());
        let public = VerifyingKey::from_bytes(&key.id().0).unwrap();
        public.verify_strict(&message, &signature).unwrap();
    }
}
