//! System contracts: the marketplace and USDC, native code at fixed addresses. Promises: `docs/spec/contract.md`.
//!
//! - A plain call reaches them; delegatecall and callcode are refused, a static call may only read. (X2)
//! - A refusal reverts with its typed error; what the call wrote goes with it, here and in every caller that
//!   reverts. (X3, X4)
//! - Out of work is out of gas. Events become logs. A payout is a transfer that runs no code. (X6, X7, X8)

mod usdc;

use crate::evm::{Frame, SPEC};
use crate::fault::Fault;
use crate::gas::{self, Meter};
use crate::journal::Journal;
use abi::refusal::{self, Revert};
use abi::{MARKETPLACE, Request, USDC, calldata, sol::IErrors};
use alloy_primitives::{Bytes, Log, U256};
use marketplace::store::OutOfWork;
use marketplace::units::{Address, Flt};
use marketplace::{Cx, Error, Event, Origin, Refusal, peer};
use revm::context::{Block as _, ContextTr as _, JournalTr as _};
use revm::handler::{EthPrecompiles, PrecompileProvider};
use revm::interpreter::{CallInputs, Gas, InstructionResult, InterpreterResult};
use revm::primitives::{AddressSet, hardfork::SpecId};

/// What the system contracts have for code, so that their accounts stay and Solidity finds code there: the opcode
/// that is defined to be invalid.
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
        inputs: &CallInputs,
    ) -> Result<Option<InterpreterResult>, String> {
        if ![MARKETPLACE, USDC].contains(&inputs.bytecode_address) {
            return self.ethereum.run(frame, inputs);
        }
        let mut left = inputs.gas_limit;
        let answer = answer(frame, inputs, &mut left);
        let mut gas = Gas::new(inputs.gas_limit);
        let (result, output) = match answer {
            Ok(output) => (InstructionResult::Return, output.into()),
            Err(Stop::Revert(error)) => (InstructionResult::Revert, refusal::encode(&error).into()),
            Err(Stop::OutOfGas) => {
                left = 0;
                (InstructionResult::PrecompileOOG, Bytes::new())
            }
            Err(Stop::Fault(fault)) => return Err(fault.to_string()),
        };
        let _ = gas.record_regular_cost(inputs.gas_limit - left); // never more than the limit
        Ok(Some(InterpreterResult::new(result, output, gas)))
    }

    fn warm_addresses(&self) -> &AddressSet {
        &self.warm
    }
}

/// Why a call of a system contract does not return.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It reverts with this error.
    Revert(Revert),
    /// Its gas is used up.
    OutOfGas,
    /// Ours.
    Fault(Fault),
}

impl From<Revert> for Stop {
    fn from(error: Revert) -> Self {
        Self::Revert(error)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Revert(refusal.into())
    }
}

impl From<OutOfWork> for Stop {
    fn from(_: OutOfWork) -> Self {
        Self::OutOfGas
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        refusal::revert(error).map_or(Self::OutOfGas, Self::Revert)
    }
}

/// A call of a system contract, and the gas it has left.
struct Call<'c, 'a> {
    journal: &'c mut Journal<'a>,
    origin: Origin,
    data: Bytes,
    read_only: bool,
    /// Seconds of the Unix epoch.
    wall_time: u64,
    chain_id: u64,
    left: &'c mut u64,
}

fn answer(frame: &mut Frame<'_>, inputs: &CallInputs, left: &mut u64) -> Result<Vec<u8>, Stop> {
    if inputs.target_address != inputs.bytecode_address {
        return Err(Revert::NotDelegated(IErrors::NotDelegated {}).into());
    }
    let data = inputs.input.bytes(frame);
    let words = u64::try_from(data.len().div_ceil(32)).unwrap_or(u64::MAX);
    gas::charge(
        left,
        gas::CALL.saturating_add(words.saturating_mul(gas::DECODE_WORD)),
    )?;
    let call = Call {
        origin: Origin {
            caller: Address(inputs.caller.into_array()),
            value: Flt(inputs.value.get().saturating_to()),
            beacon: frame.block.prevrandao().unwrap_or_default().0,
        },
        data,
        read_only: inputs.is_static,
        wall_time: frame.block.timestamp.saturating_to(),
        chain_id: frame.cfg.chain_id,
        journal: frame.journal_mut(),
        left,
    };
    if inputs.bytecode_address == USDC {
        return call.usdc();
    }
    call.marketplace()
}

impl Call<'_, '_> {
    fn marketplace(mut self) -> Result<Vec<u8>, Stop> {
        match calldata::decode(&self.data)? {
            Request::Query(query) => self.read(|cx| query.answer(cx)),
            Request::Call(call) => {
                if let marketplace::Call::Peer(peer::Call::Register(_)) = call {
                    gas::charge(self.left, gas::SIGNATURE)?; // the peer's own
                }
                let reply = self.write(|cx| marketplace::apply(cx, call))?;
                Ok(calldata::reply(reply))
            }
        }
    }

    /// Reads something.
    fn read<T>(
        &mut self,
        query: impl FnOnce(&mut Cx<'_, Meter<'_, '_>>) -> Result<T, Error>,
    ) -> Result<T, Stop> {
        self.refuse_value()?;
        act_on(self.journal, self.origin, self.left, query)
    }

    /// Does something, unless this call may only read.
    fn write<T>(
        &mut self,
        act: impl FnOnce(&mut Cx<'_, Meter<'_, '_>>) -> Result<T, Error>,
    ) -> Result<T, Stop> {
        if self.read_only {
            return Err(Revert::ReadOnly(IErrors::ReadOnly {}).into());
        }
        act_on(self.journal, self.origin, self.left, act)
    }

    fn refuse_value(&self) -> Result<(), Refusal> {
        match self.origin.value {
            Flt::ZERO => Ok(()),
            value => Err(Refusal::NotPayable { value }),
        }
    }
}

/// Opens the marketplace for one action within the gas that is left, logs its events and makes its payouts. After an
/// error, the caller reverts the journal to where it was.
pub(crate) fn act_on<'a, T>(
    journal: &mut Journal<'a>,
    origin: Origin,
    left: &mut u64,
    act: impl FnOnce(&mut Cx<'_, Meter<'_, 'a>>) -> Result<T, Error>,
) -> Result<T, Stop> {
    let (mut events, mut payouts) = (Vec::new(), Vec::new());
    let mut meter = Meter::new(journal.rows(), *left);
    let result =
        Cx::open(&mut meter, origin, &mut events, &mut payouts).and_then(|mut cx| act(&mut cx));
    *left = meter.left();
    let reply = checked(journal, result)?;
    for event in events {
        log(journal, event, left)?;
    }
    for (to, amount) in payouts {
        pay(journal, to, amount)?;
    }
    Ok(reply)
}

/// Notes a fault of the marketplace, which the operator of the node has to hear of.
fn checked<T>(journal: &mut Journal<'_>, result: Result<T, Error>) -> Result<T, Stop> {
    if let Err(Error::Fault(what)) = &result {
        journal.note_fault(what);
    }
    Ok(result?)
}

fn log(journal: &mut Journal<'_>, event: Event, left: &mut u64) -> Result<(), OutOfWork> {
    let log: Log = abi::log::of(&event);
    let topics = u64::try_from(log.topics().len()).unwrap_or(u64::MAX);
    let bytes = u64::try_from(log.data.data.len()).unwrap_or(u64::MAX);
    let cost = gas::LOG * (1 + topics);
    gas::charge(
        left,
        cost.saturating_add(gas::LOG_BYTE.saturating_mul(bytes)),
    )?;
    journal.log(log);
    journal.note_event(event);
    Ok(())
}

fn pay(journal: &mut Journal<'_>, to: Address, amount: Flt) -> Result<(), Stop> {
    let failed = journal
        .transfer(MARKETPLACE, to.0.into(), U256::from(amount.0))
        .map_err(Stop::Fault)?;
    match failed {
        None => Ok(()),
        Some(_) => checked(
            journal,
            Err(Error::Fault("a payout that the marketplace does not have")),
        ),
    }
}
