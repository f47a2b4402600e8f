//! Permission to read what a deal's functions log: the deal's owner gives it to one overlay key.
//!
//! It is a signature of the owner's account over a text of its own, which no transaction begins with. Who overhears it
//! has no use of it: only the holder of the key that it names is believed.

use crate::AccountKey;
use alloy_primitives::{Address, B256, Signature, keccak256};
use marketplace::units::{self, DealId, PeerId};

/// Bytes of a permission.
pub const PERMIT_BYTES: usize = 65;

/// What is signed begins with this.
const TEXT: &[u8] = b"marketplace+/logs/1";

impl AccountKey {
    /// Lets the holder of an overlay key read what functions of a deal log.
    #[must_use]
    pub fn permit_logs(&self, deal: DealId, reader: PeerId) -> [u8; PERMIT_BYTES] {
        self.sign(hash(deal, reader)).as_bytes()
    }
}

/// The account that lets this reader read; None if it is no permission at all.
#[must_use]
pub fn permitted_by(
    deal: DealId,
    reader: PeerId,
    permit: &[u8; PERMIT_BYTES],
) -> Option<units::Address> {
    let signature = Signature::from_raw_array(permit).ok()?;
    let signer = signature.recover_address_from_prehash(&hash(deal, reader));
    signer
        .ok()
        .map(|signer: Address| units::Address(signer.into_array()))
}

fn hash(deal: DealId, reader: PeerId) -> B256 {
    keccak256([TEXT, &deal.0.to_be_bytes(), &reader.0].concat())
}

#[cfg(test)]
mod tests {
    use super::permitted_by;
    use crate::AccountKey;
    use marketplace::units::{Address, DealId, PeerId};

    #[test]
    fn a_permission_is_for_one_deal_and_one_reader() {
        let owner = AccountKey::generate();
        let (deal, reader) = (DealId(7), PeerId([1; 32]));
        let permit = owner.permit_logs(deal, reader);
        let address = Some(Address(owner.address().into_array()));
        assert_eq!(permitted_by(deal, reader, &permit), address);
        assert_ne!(permitted_by(DealId(8), reader, &permit), address);
        assert_ne!(permitted_by(deal, PeerId([2; 32]), &permit), address);
        let other = AccountKey::generate().permit_logs(deal, reader);
        assert_ne!(permitted_by(deal, reader, &other), address);
        assert_eq!(permitted_by(deal, reader, &[0; 65]), None);
    }
}
