//! Calls that leave nothing behind: `eth_call` and `eth_estimateGas` on the newest state.
//!
//! Nobody pays for them, so gas is not all that bounds them: the caller passes `stop`, which says when its patience
//! is over. Executing a block never asks the clock.

use crate::admission::Refusal;
use crate::chain;
use crate::evm::{Frame, Machine, Surroundings, fault, machine};
use crate::fault::Fault;
use crate::fee::TRANSACTION_GAS_LIMIT;
use crate::state::{Overlay, Rows};
use alloy_primitives::{Address, Bytes, TxKind, U256};
use revm::context::TxEnv;
use revm::context_interface::result::ExecutionResult;
use revm::interpreter::Interpreter;
use revm::{InspectEvm as _, Inspector};

/// Gas that one call may use.
pub const CALL_GAS_LIMIT: u64 = 50_000_000;
/// An estimate may be above the least gas that suffices by this fraction's inverse (1/64).
const ESTIMATE_PRECISION: u64 = 64;

/// EVM steps between two questions whether to stop: some ten microseconds.
const STEPS_BETWEEN: u64 = 1 << 12;

/// Says when to give up, for example after 100 ms; asked between steps of the EVM.
pub type Stop<'s> = &'s dyn Fn() -> bool;

/// What to call. Nonce and signature are not needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Who calls.
    pub from: Address,
    /// What is called; None creates a contract.
    pub to: Option<Address>,
    /// Gas limit; None is the most that is allowed.
    pub gas: Option<u64>,
    /// Wei per gas; zero asks for no balance.
    pub gas_price: u128,
    /// FLT sent along, in wei.
    pub value: U256,
    /// Calldata, or the code that creates the contract.
    pub data: Bytes,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// How it ended.
    pub end: End,
    /// What it returned, or the error it reverted with.
    pub output: Bytes,
    /// Gas it used.
    pub gas_used: u64,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It returned.
    Returned,
    /// It reverted; the output says why.
    Reverted,
    /// It broke off, for example out of gas.
    Halted(String),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// Nobody could send this.
    Refused(Refusal),
    /// `stop` said so before the call came to an end.
    Stopped,
    /// The gas is not enough, however much there is of it, or the call reverts.
    Failed(Called),
    /// Ours.
    Fault(Fault),
}

impl From<Fault> for CallError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Runs a call on `rows` as if it stood in the newest block, at most with [`CALL_GAS_LIMIT`].
///
/// # Errors
/// [`CallError::Refused`] if the caller cannot pay for it. A call that reverts is an answer.
pub fn call(rows: &Rows, request: &Request, stop: Stop<'_>) -> Result<Called, CallError> {
    let gas = request.gas.unwrap_or(CALL_GAS_LIMIT).min(CALL_GAS_LIMIT);
    run(rows, request, gas, stop)
}

/// The gas limit with which `request` succeeds: at most a 64th above the least that does.
///
/// # Errors
/// [`CallError::Failed`] if it does not succeed with all the gas that a transaction may have.
pub fn estimate(rows: &Rows, request: &Request, stop: Stop<'_>) -> Result<u64, CallError> {
    let cap = request.gas.unwrap_or(TRANSACTION_GAS_LIMIT);
    let mut enough = cap.min(TRANSACTION_GAS_LIMIT);
    let first = run(rows, request, enough, stop)?;
    if first.end != End::Returned {
        return Err(CallError::Failed(first));
    }
    let mut too_little = first.gas_used.saturating_sub(1);
    // Calls pass on 63/64 of their gas, so a little above what was used suffices most of the time.
    let mut guess = first.gas_used.saturating_add(first.gas_used / 32);
    while enough.saturating_sub(too_little) > enough / ESTIMATE_PRECISION + 1 {
        guess = guess.clamp(too_little + 1, enough - 1);
        match run(rows, request, guess, stop) {
            Ok(called) if called.end == End::Returned => enough = guess,
            Ok(_) | Err(CallError::Refused(_)) => too_little = guess,
            Err(error) => return Err(error),
        }
        guess = too_little + (enough - too_little) / 2;
    }
    Ok(enough)
}

fn run(rows: &Rows, request: &Request, gas: u64, stop: Stop<'_>) -> Result<Called, CallError> {
    let head = chain::head(rows)?;
    let mut machine = machine(Overlay::new(rows), &Surroundings::of_head(&head));
    relax(&mut machine);
    let patience = Patience {
        stop,
        steps: 0,
        over: false,
    };
    let mut machine = machine.with_inspector(patience);
    let transaction = TxEnv {
        caller: request.from,
        gas_limit: gas,
        gas_price: request.gas_price,
        kind: request.to.map_or(TxKind::Create, TxKind::Call),
        value: request.value,
        data: request.data.clone(),
        ..TxEnv::default()
    };
    let result = machine.inspect_one_tx(transaction);
    if machine.inspector.over {
        return Err(CallError::Stopped);
    }
    match result {
        Ok(result) => Ok(called(result)),
        Err(error) => {
            let invalid = fault(error)?;
            Err(CallError::Refused(Refusal::Evm(invalid.to_string())))
        }
    }
}

/// Asks `stop` now and then, and breaks off every frame once it said so.
struct Patience<'s> {
    stop: Stop<'s>,
    steps: u64,
    over: bool,
}

impl<'a> Inspector<Frame<'a>> for Patience<'_> {
    fn step(&mut self, interpreter: &mut Interpreter, _frame: &mut Frame<'a>) {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_BETWEEN) && (self.stop)() {
            self.over = true;
        }
        if self.over {
            interpreter.halt_oog();
        }
    }
}

/// A call is not a transaction: no nonce, any caller, no base fee, its own gas limit.
fn relax(machine: &mut Machine<'_>) {
    let rules = &mut machine.ctx.cfg;
    rules.tx_chain_id_check = false;
    rules.tx_gas_limit_cap = Some(CALL_GAS_LIMIT);
    rules.disable_nonce_check = true;
    rules.disable_block_gas_limit = true;
    rules.disable_eip3607 = true;
    rules.disable_base_fee = true;
}

fn called(result: ExecutionResult) -> Called {
    let gas_used = result.tx_gas_used();
    let end = match &result {
        ExecutionResult::Success { .. } => End::Returned,
        ExecutionResult::Revert { .. } => End::Reverted,
        ExecutionResult::Halt { reason, .. } => End::Halted(format!("{reason:?}")),
    };
    Called {
        end,
        output: result.into_output().unwrap_or_default(),
        gas_used,
    }
}
