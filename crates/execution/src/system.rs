//! System contracts: the marketplace and USDC, native code at fixed addresses.

use crate::evm::{Frame, SPEC};
use alloy_primitives::{Address, address};
use revm::handler::{EthPrecompiles, PrecompileProvider};
use revm::interpreter::{CallInputs, InterpreterResult};
use revm::primitives::{AddressSet, hardfork::SpecId};

/// Where the marketplace is called.
pub const MARKETPLACE: Address = address!("0x4d61726b6574706c616365000000000000000001");
/// Where USDC is called.
pub const USDC: Address = address!("0x5553444300000000000000000000000000000001");
/// What the system contracts have for code, so that their accounts stay and Solidity finds code there:
/// the opcode that is defined to be invalid.
pub const MARKER: [u8; 1] = [0xfe];

/// Ethereum's precompiles and ours.
#[derive(Debug)]
pub(crate) struct System {
    ethereum: EthPrecompiles,
    warm: AddressSet,
}

impl System {
    pub(crate) fn new() -> Self {
        let ethereum = EthPrecompiles::new(SPEC);
        let mut warm = ethereum.warm_addresses().clone();
        warm.extend([MARKETPLACE, USDC]);
        Self { ethereum, warm }
    }
}

impl<'a> PrecompileProvider<Frame<'a>> for System {
    type Output = InterpreterResult;

    fn set_spec(&mut self, _spec: SpecId) -> bool {
        true
    }

    fn run(
        &mut self,
        frame: &mut Frame<'a>,
        call: &CallInputs,
    ) -> Result<Option<InterpreterResult>, String> {
        self.ethereum.run(frame, call)
    }

    fn warm_addresses(&self) -> &AddressSet {
        &self.warm
    }
}
