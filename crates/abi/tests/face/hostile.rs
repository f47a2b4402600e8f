//! Calldata that nobody honest sends.

use abi::calldata;
use abi::sol::IErrors::IErrorsErrors as Errors;

/// (X5)
#[test]
fn overlapping_offsets_do_not_multiply_bytes() {
    // report(bytes32, uint64[]) and setPeerEndpoints(bytes32, string[]) with every string at the same place.
    let (peer, endpoints) = (alloy_primitives::B256::ZERO, vec!["x".repeat(32); 1_000]);
    let call = abi::sol::IPeer::setPeerEndpointsCall { peer, endpoints };
    let mut data = alloy_sol_types::SolCall::abi_encode(&call);
    assert!(calldata::decode(&data).is_ok());
    let offsets = 4 + 3 * 32;
    let (first, rest) = data[offsets..].split_at_mut(32);
    for offset in rest[..999 * 32].chunks_mut(32) {
        offset.copy_from_slice(first);
    }
    assert!(matches!(
        calldata::decode(&data),
        Err(Errors::UnknownCall(_))
    ));
}
