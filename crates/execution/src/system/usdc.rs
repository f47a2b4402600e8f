//! USDC: the ERC-20 face of the ledger, and its signed messages, which are checked here. Promises:
//! `docs/spec/usdc.md`.

use super::{Call, Stop};
use crate::gas::{self, Meter};
use abi::calldata::strictly;
use abi::refusal::{Revert, invalid_receiver};
use abi::sol::{
    IErrors,
    IUSDC::{self as i, IUSDCCalls as Calls},
};
use abi::usdc::{self, account_at, allowance, amount, can_receive};
use alloy_consensus::crypto::secp256k1::recover_signer;
use alloy_primitives::{Address, B256, Signature, U256};
use alloy_sol_types::{SolCall as _, SolStruct, SolValue as _};
use marketplace::units::{Address as Account, Hash};
use marketplace::usdc as domain;
use marketplace::{Cx, Error, ledger};

/// A signature as the calls have it: v, r and s.
type Signed = (u8, B256, B256);

fn account(address: Address) -> Account {
    Account(address.into_array())
}

/// What ERC-20 functions return that return anything.
fn yes() -> Vec<u8> {
    true.abi_encode()
}

impl Call<'_, '_> {
    pub(super) fn usdc(mut self) -> Result<Vec<u8>, Stop> {
        self.refuse_value()?;
        match strictly::<Calls>(&self.data)? {
            Calls::name(_) => Ok(i::nameCall::abi_encode_returns(&usdc::NAME.into())),
            Calls::symbol(_) => Ok(i::symbolCall::abi_encode_returns(&usdc::NAME.into())),
            Calls::version(_) => Ok(i::versionCall::abi_encode_returns(&usdc::VERSION.into())),
            Calls::decimals(_) => Ok(i::decimalsCall::abi_encode_returns(&usdc::DECIMALS)),
            Calls::DOMAIN_SEPARATOR(_) => Ok(usdc::domain(self.chain_id).separator().abi_encode()),
            Calls::totalSupply(_) => self.number(|cx| Ok(ledger::held(cx.store)?.0)),
            Calls::balanceOf(c) => {
                self.number(|cx| Ok(ledger::balance(cx.store, account_at(c.owner))?.0))
            }
            Calls::allowance(c) => {
                let (owner, spender) = (account(c.owner), account(c.spender));
                let amount = self.read(|cx| domain::allowance(cx.store, owner, spender))?;
                Ok(allowance(amount).abi_encode())
            }
            Calls::nonces(c) => {
                self.number(|cx| Ok(domain::nonce(cx.store, account(c.owner))?.into()))
            }
            Calls::authorizationState(c) => {
                let (authorizer, nonce) = (account(c.authorizer), Hash(c.nonce.0));
                let used =
                    self.read(|cx| domain::authorization_used(cx.store, authorizer, nonce))?;
                Ok(used.abi_encode())
            }
            call => self.change(call),
        }
    }

    fn number(
        &mut self,
        query: impl FnOnce(&mut Cx<'_, Meter<'_, '_>>) -> Result<u128, Error>,
    ) -> Result<Vec<u8>, Stop> {
        Ok(U256::from(self.read(query)?).abi_encode())
    }

    fn change(mut self, call: Calls) -> Result<Vec<u8>, Stop> {
        match call {
            Calls::transfer(c) => {
                let (to, amount) = (receiver(c.to)?, amount(c.value));
                self.apply(domain::Call::Transfer { to, amount })
            }
            Calls::transferFrom(c) => {
                let (from, to, amount) = (account(c.from), receiver(c.to)?, amount(c.value));
                self.apply(domain::Call::TransferFrom { from, to, amount })
            }
            Calls::approve(c) => {
                let (spender, amount) = (account(c.spender), amount(c.value));
                self.apply(domain::Call::Approve { spender, amount })
            }
            Calls::faucet(c) => {
                let amount = amount(c.value);
                self.apply(domain::Call::Faucet { amount })
            }
            Calls::permit(c) => self.permit(&c),
            Calls::transferWithAuthorization(c) => self.transfer_with_authorization(&c),
            Calls::receiveWithAuthorization(c) => self.receive_with_authorization(&c),
            Calls::cancelAuthorization(c) => self.cancel_authorization(&c),
            _ => Err(Revert::UnknownCall(IErrors::UnknownCall {}).into()),
        }
    }

    fn apply(&mut self, call: domain::Call) -> Result<Vec<u8>, Stop> {
        let call = marketplace::Call::Usdc(call);
        self.write(|cx| marketplace::apply(cx, call))?;
        Ok(yes())
    }

    fn permit(&mut self, c: &i::permitCall) -> Result<Vec<u8>, Stop> {
        self.valid_within(U256::ZERO, c.deadline)?;
        let owner = account(c.owner);
        let nonce = self.read(|cx| domain::nonce(cx.store, owner))?;
        let message = usdc::Permit {
            owner: c.owner,
            spender: c.spender,
            value: c.value,
            nonce: U256::from(nonce),
            deadline: c.deadline,
        };
        self.signed_by(c.owner, &message, (c.v, c.r, c.s))?;
        let (spender, amount) = (account(c.spender), amount(c.value));
        self.write(|cx| domain::permit(cx, owner, spender, amount))?;
        Ok(Vec::new())
    }

    fn transfer_with_authorization(
        &mut self,
        c: &i::transferWithAuthorizationCall,
    ) -> Result<Vec<u8>, Stop> {
        let message = usdc::TransferWithAuthorization {
            from: c.from,
            to: c.to,
            value: c.value,
            validAfter: c.validAfter,
            validBefore: c.validBefore,
            nonce: c.nonce,
        };
        self.transfer_authorized(&message, &message, (c.v, c.r, c.s))
    }

    fn receive_with_authorization(
        &mut self,
        c: &i::receiveWithAuthorizationCall,
    ) -> Result<Vec<u8>, Stop> {
        if account(c.to) != self.origin.caller {
            let payee = c.to;
            return Err(Revert::NotThePayee(IErrors::NotThePayee { payee }).into());
        }
        let message = usdc::ReceiveWithAuthorization {
            from: c.from,
            to: c.to,
            value: c.value,
            validAfter: c.validAfter,
            validBefore: c.validBefore,
            nonce: c.nonce,
        };
        let transfer = usdc::TransferWithAuthorization {
            from: c.from,
            to: c.to,
            value: c.value,
            validAfter: c.validAfter,
            validBefore: c.validBefore,
            nonce: c.nonce,
        };
        self.transfer_authorized(&transfer, &message, (c.v, c.r, c.s))
    }

    /// Makes a transfer whose owner signed `message`.
    fn transfer_authorized(
        &mut self,
        transfer: &usdc::TransferWithAuthorization,
        message: &impl SolStruct,
        signed: Signed,
    ) -> Result<Vec<u8>, Stop> {
        // EIP-3009: after the one second and before the other, both exclusive.
        let first = transfer.validAfter.saturating_add(U256::ONE);
        let last = transfer.validBefore.saturating_sub(U256::ONE);
        self.valid_within(first, last)?;
        self.signed_by(transfer.from, message, signed)?;
        let (from, to) = (account(transfer.from), receiver(transfer.to)?);
        let (amount, nonce) = (amount(transfer.value), Hash(transfer.nonce.0));
        self.write(|cx| domain::transfer_authorized(cx, from, to, amount, nonce))?;
        Ok(Vec::new())
    }

    fn cancel_authorization(&mut self, c: &i::cancelAuthorizationCall) -> Result<Vec<u8>, Stop> {
        let (authorizer, nonce) = (c.authorizer, c.nonce);
        let message = usdc::CancelAuthorization { authorizer, nonce };
        self.signed_by(authorizer, &message, (c.v, c.r, c.s))?;
        let (authorizer, nonce) = (account(authorizer), Hash(nonce.0));
        self.write(|cx| domain::cancel_authorization(cx, authorizer, nonce))?;
        Ok(Vec::new())
    }

    /// Refuses outside these seconds of the Unix epoch, both inclusive. (U5)
    fn valid_within(&self, first: U256, last: U256) -> Result<(), Revert> {
        let now = U256::from(self.wall_time);
        if first <= now && now <= last {
            return Ok(());
        }
        Err(Revert::SignatureNotValidNow(
            IErrors::SignatureNotValidNow {
                notBefore: first,
                notAfter: last,
            },
        ))
    }

    /// Refuses unless `owner` signed the message for this chain and contract. (U4)
    fn signed_by(
        &mut self,
        owner: Address,
        message: &impl SolStruct,
        (v, r, s): Signed,
    ) -> Result<(), Stop> {
        gas::charge(self.left, gas::SIGNATURE)?;
        let hash = usdc::signing_hash(message, self.chain_id);
        let signature = Signature::new(r.into(), s.into(), v == 28);
        let signer = recover_signer(&signature, hash).ok();
        if matches!(v, 27 | 28) && signer == Some(owner) {
            return Ok(());
        }
        Err(Revert::InvalidSignature(IErrors::InvalidSignature {}).into())
    }
}

/// The receiver's account, unless nobody could spend from it. (U3)
fn receiver(address: Address) -> Result<Account, Revert> {
    if can_receive(address) {
        return Ok(account(address));
    }
    Err(invalid_receiver(address))
}
