//! The machine that runs calls: revm with our journal and system contracts.

use crate::{chain::Head, fault::Fault, fee, journal::Journal, state::Overlay, system::System};
use alloy_primitives::{Address, B256, U256};
use revm::{
    Context,
    context::{BlockEnv, CfgEnv, Evm, TxEnv},
    context_interface::block::BlobExcessGasAndPrice,
    handler::{EthFrame, instructions::EthInstructions},
    interpreter::interpreter::EthInterpreter,
    primitives::hardfork::SpecId,
};

/// The newest hard fork that Ethereum itself runs. Its blob (EIP-4844) and set-code (EIP-7702)
/// transactions are refused by `admission`.
pub(crate) const SPEC: SpecId = SpecId::OSAKA;

pub(crate) type Frame<'a> = Context<BlockEnv, TxEnv, CfgEnv, Overlay<'a>, Journal<'a>, ()>;
pub(crate) type Machine<'a, I = ()> =
    Evm<Frame<'a>, I, EthInstructions<EthInterpreter, Frame<'a>>, System, EthFrame<EthInterpreter>>;

/// What a call may know of the block it runs in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings {
    pub(crate) chain_id: u64,
    pub(crate) height: u64,
    pub(crate) time_ms: u64,
    pub(crate) beacon: B256,
    pub(crate) fee_account: Address,
    /// Wei per gas.
    pub(crate) base_fee: u64,
}

impl Surroundings {
    /// Those of the newest executed block, for calls that only read; at the base fee of the next one.
    pub(crate) fn of_head(head: &Head) -> Self {
        Self {
            chain_id: head.chain_id,
            height: head.height,
            time_ms: head.time_ms,
            beacon: head.beacon,
            fee_account: head.fee_account,
            base_fee: head.base_fee,
        }
    }
}

/// A machine over `rows`.
pub(crate) fn machine<'a>(rows: Overlay<'a>, at: &Surroundings) -> Machine<'a> {
    let mut context: Frame<'a> = Context::new(rows, SPEC);
    context.cfg.chain_id = at.chain_id;
    context.cfg.tx_gas_limit_cap = Some(fee::TRANSACTION_GAS_LIMIT);
    context.block = BlockEnv {
        number: U256::from(at.height),
        beneficiary: at.fee_account,
        timestamp: U256::from(at.time_ms / 1000),
        gas_limit: fee::BLOCK_GAS_LIMIT,
        basefee: at.base_fee,
        difficulty: U256::ZERO,
        prevrandao: Some(at.beacon),
        // There are no blobs; the field only has to be there.
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(0, 1)),
        slot_num: 0,
    };
    let instructions = EthInstructions::new_mainnet_with_spec(SPEC);
    Evm::new(context, instructions, System::new())
}

/// A fault from whatever revm stopped for; None if the transaction itself was invalid.
pub(crate) fn fault<T: std::fmt::Display>(
    error: revm::context_interface::result::EVMError<Fault, T>,
) -> Result<T, Fault> {
    use revm::context_interface::result::EVMError;
    match error {
        EVMError::Transaction(invalid) => Ok(invalid),
        EVMError::Database(fault) => Err(fault),
        EVMError::Header(header) => Err(Fault::Evm(header.to_string())),
        EVMError::Custom(reason) => Err(Fault::Evm(reason)),
        EVMError::CustomAny(reason) => Err(Fault::Evm(reason.to_string())),
    }
}
