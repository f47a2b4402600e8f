//! What third parties have compiled in: selectors and topics. A change here breaks them.

use abi::sol::*;
use std::fmt::Write as _;

/// (X9)
#[test]
fn selectors_and_topics_stay() {
    let mut all = String::new();
    macro_rules! write_all {
        ($($list:ty: $kind:literal),* $(,)?) => {$(
            let mut lines: Vec<String> = <$list>::SIGNATURES
                .iter()
                .zip(<$list>::SELECTORS)
                .map(|(signature, selector)| {
                    format!("{} {signature}", alloy_primitives::hex::encode(selector))
                })
                .collect();
            lines.sort_by(|a, b| a[9..].cmp(&b[9..]));
            writeln!(all, "# {}\n{}\n", $kind, lines.join("\n")).expect("to a string");
        )*};
    }
    write_all! {
        IDeposit::IDepositCalls: "IDeposit: calls",
        IDeposit::IDepositEvents: "IDeposit: events",
        IGovernance::IGovernanceCalls: "IGovernance: calls",
        IGovernance::IGovernanceEvents: "IGovernance: events",
        IProvider::IProviderCalls: "IProvider: calls",
        IProvider::IProviderEvents: "IProvider: events",
        IDatacenter::IDatacenterCalls: "IDatacenter: calls",
        IDatacenter::IDatacenterEvents: "IDatacenter: events",
        IPeer::IPeerCalls: "IPeer: calls",
        IPeer::IPeerEvents: "IPeer: events",
        IOffer::IOfferCalls: "IOffer: calls",
        IOffer::IOfferEvents: "IOffer: events",
        IDemand::IDemandCalls: "IDemand: calls",
        IDemand::IDemandEvents: "IDemand: events",
        IDeal::IDealCalls: "IDeal: calls",
        IDeal::IDealEvents: "IDeal: events",
        IChange::IChangeCalls: "IChange: calls",
        IChange::IChangeEvents: "IChange: events",
        IWorker::IWorkerCalls: "IWorker: calls",
        IWorker::IWorkerEvents: "IWorker: events",
        ICommitment::ICommitmentCalls: "ICommitment: calls",
        ICommitment::ICommitmentEvents: "ICommitment: events",
        IWindow::IWindowCalls: "IWindow: calls",
        IWindow::IWindowEvents: "IWindow: events",
        IAudit::IAuditCalls: "IAudit: calls",
        IAudit::IAuditEvents: "IAudit: events",
        IPool::IPoolCalls: "IPool: calls",
        IPool::IPoolEvents: "IPool: events",
        ITime::ITimeCalls: "ITime: calls",
        IUSDC::IUSDCCalls: "IUSDC: calls",
        IUSDC::IUSDCEvents: "IUSDC: events",
        IErrors::IErrorsErrors: "IErrors: errors",
    }
    insta::assert_snapshot!("selectors_and_topics", all);
}

#[test]
fn the_erc20_face_has_the_selectors_that_wallets_know() {
    use alloy_sol_types::{SolCall as _, SolEvent as _};
    assert_eq!(IUSDC::transferCall::SELECTOR, [0xa9, 0x05, 0x9c, 0xbb]);
    assert_eq!(IUSDC::balanceOfCall::SELECTOR, [0x70, 0xa0, 0x82, 0x31]);
    assert_eq!(IUSDC::approveCall::SELECTOR, [0x09, 0x5e, 0xa7, 0xb3]);
    assert_eq!(IUSDC::permitCall::SELECTOR, [0xd5, 0x05, 0xac, 0xcf]);
    assert_eq!(
        IUSDC::transferWithAuthorizationCall::SELECTOR,
        [0xe3, 0xee, 0x16, 0x0e]
    );
    assert_eq!(
        IUSDC::Transfer::SIGNATURE_HASH[..4],
        [0xdd, 0xf2, 0x52, 0xad]
    );
}
