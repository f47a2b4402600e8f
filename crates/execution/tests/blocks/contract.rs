//! Small contracts, assembled by hand.

use alloy_primitives::{Address, Bytes};

/// Opcodes that call.
pub(crate) const CALL: u8 = 0xf1;
pub(crate) const CALLCODE: u8 = 0xf2;
pub(crate) const DELEGATECALL: u8 = 0xf4;
pub(crate) const STATICCALL: u8 = 0xfa;

/// How a contract ends, after its calls and whatever came of them.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Stop,
    Revert,
    /// Returns what the last call returned, or reverted with.
    Return,
    /// Creates the same contract twice, which fails, and reverts.
    CollideAndRevert,
}

/// A contract that makes these calls (opcode, whom, calldata), one after the other, and then ends.
pub(crate) fn contract(calls: &[(u8, Address, Vec<u8>)], end: End) -> Bytes {
    let end: &[u8] = match end {
        End::Stop => &[0x00],
        End::Revert => &[0x5f, 0x5f, 0xfd],
        End::CollideAndRevert => &[
            0x5f, 0x5f, 0x5f, 0x5f, 0xf5, 0x50, // create2(0, 0, 0, 0)
            0x5f, 0x5f, 0x5f, 0x5f, 0xf5, 0x50, 0x5f, 0x5f, 0xfd,
        ],
        // returndatacopy(0, 0, returndatasize()); return(0, returndatasize())
        End::Return => &[0x3d, 0x5f, 0x5f, 0x3e, 0x3d, 0x5f, 0xf3],
    };
    let code_len: usize = calls.iter().map(|call| step(call, 0).len()).sum::<usize>() + end.len();
    let (mut code, mut data) = (Vec::new(), Vec::new());
    for call in calls {
        code.extend(step(call, code_len + data.len()));
        data.extend_from_slice(&call.2);
    }
    [&code[..], end, &data].concat().into()
}

/// Copies the calldata from `offset` of the code, calls with all gas and no value, drops the flag.
fn step((opcode, to, data): &(u8, Address, Vec<u8>), offset: usize) -> Vec<u8> {
    let two = |number: usize| u16::try_from(number).expect("short").to_be_bytes();
    let mut code = vec![0x61];
    code.extend(two(data.len()));
    code.push(0x61);
    code.extend(two(offset));
    code.extend([0x5f, 0x39, 0x5f, 0x5f, 0x61]); // codecopy; no room for output
    code.extend(two(data.len()));
    code.push(0x5f);
    if matches!(*opcode, CALL | CALLCODE) {
        code.push(0x5f); // value
    }
    code.push(0x73);
    code.extend_from_slice(to.as_slice());
    code.extend([0x5a, *opcode, 0x50]);
    code
}
