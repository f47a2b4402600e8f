//! Calldata that nobody honest sends.

use crate::samples::calls;
use abi::sol::IErrors::IErrorsErrors as Errors;
use abi::{Request, calldata, refusal};

/// Fuzz body: whatever decodes means the same after the way back.
fn decode_calldata(data: &[u8]) {
    if let Ok(Request::Call(call)) = calldata::decode(data) {
        let again = calldata::decode(&calldata::encode(&call));
        assert_eq!(again, Ok(Request::Call(call)));
    }
    let _ = refusal::explain(data);
}

/// xorshift64*: enough to shuffle bytes, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        usize::try_from(number >> 33).expect("31 bits") % below
    }
}

#[test]
fn mutated_calldata_never_panics_and_has_one_meaning() {
    let mut dice = Dice(0x5eed);
    let samples: Vec<Vec<u8>> = calls().iter().map(calldata::encode).collect();
    for _ in 0..20_000 {
        let mut data = samples[dice.roll(samples.len())].clone();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(data.len());
            match dice.roll(4) {
                0 => data[at] ^= 1 << dice.roll(8),
                1 => data[at] = 0xff,
                2 => data.truncate(at.max(4)),
                _ => data.extend_from_slice(&[0; 32][..dice.roll(32)]),
            }
        }
        decode_calldata(&data);
    }
}

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
