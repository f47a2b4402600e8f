//! One of every call.

use abi::view::explain::{Explanation, Question};
use abi::{Request, calldata, usdc};
use marketplace::attribute::{Attribute, Predicate, Subject, Test, Value};
use marketplace::change::{self, Change};
use marketplace::demand::{Artifact, ArtifactKind, Pricing, Providers, Source, Spread};
use marketplace::matching::{
    Reason,
    explain::{self, What},
};
use marketplace::peer::Registration;
use marketplace::units::{
    Address, AuditId, ChangeId, CommitmentId, DatacenterId, DealId, Epoch, Flt, Hash, OfferId,
    PeerId, Price, ProviderId, Rate, Seconds, Time, Usdc, WorkerId,
};
use marketplace::worker::Obstacle;
use marketplace::{
    Call, Params, audit, commitment, datacenter, deal, demand, governance, offer, peer, pool,
    provider, window, worker,
};

const PEER: PeerId = PeerId([7; 32]);

fn attributes() -> Vec<Attribute> {
    let attribute = |key: &str, value| Attribute {
        key: key.into(),
        value,
    };
    vec![
        attribute("cpu.arch", Value::Text("x86_64".into())),
        attribute("net.mbps", Value::Integer(-5)),
        attribute("kernel", Value::Version(6, 1, 0)),
        attribute("empty", Value::Set(Vec::new())),
        attribute("tags", Value::Set(vec!["a".into(), "b".into()])),
    ]
}

fn requirements() -> Vec<Predicate> {
    let number = Value::Integer(5);
    let tests = [
        Test::Is(number.clone()),
        Test::IsNot(Value::Text(String::new())),
        Test::Below(number.clone()),
        Test::AtMost(number.clone()),
        Test::Above(Value::Version(1, 2, 3)),
        Test::AtLeast(number.clone()),
        Test::In(vec![number, Value::Text("x".into())]),
        Test::Has("member".into()),
        Test::Exists,
    ];
    let subjects = [
        Subject::Offer,
        Subject::Peer,
        Subject::Datacenter,
        Subject::Provider,
    ];
    let predicate = |(test, subject)| Predicate {
        subject,
        key: "key".into(),
        test,
    };
    tests
        .into_iter()
        .zip(subjects.into_iter().cycle())
        .map(predicate)
        .collect()
}

fn supply() -> Vec<Call> {
    let registration = Registration {
        datacenter: DatacenterId(2),
        peer: PEER,
        signature: [9; 64],
        operator: Address([3; 20]),
        endpoints: vec!["host:1".into()],
        oldest_version: 1,
        newest_version: 2,
        attributes: attributes(),
        units: 8,
    };
    let place = datacenter::Datacenter {
        provider: ProviderId(1),
        country: datacenter::Country(*b"CH"),
        city: "ZRH".into(),
        name: "Alpine".into(),
        certifications: vec!["iso27001".into()],
        attributes: attributes(),
    };
    let (peer, offer, price) = (PEER, OfferId(4), Price(u128::MAX));
    let (floor, slope) = (price, Price(5));
    let curve = offer::Curve { floor, slope };
    let (name, metadata, provider) = ("Alpine".into(), Hash([1; 32]), ProviderId(1));
    let endpoints = Vec::new();
    vec![
        Call::Provider(provider::Call::Register {
            name,
            metadata,
            attributes: attributes(),
        }),
        Call::Provider(provider::Call::Update { provider, metadata }),
        Call::Governance(governance::Call::Propose {
            parameter: "max_target_workers".into(),
            value: 5,
        }),
        Call::Governance(governance::Call::Cancel {
            change: ChangeId(3),
        }),
        Call::Provider(provider::Call::Transfer {
            provider: ProviderId(1),
            to: Some(Address([4; 20])),
        }),
        Call::Provider(provider::Call::Remove {
            provider: ProviderId(1),
        }),
        Call::Datacenter(datacenter::Call::Remove {
            datacenter: DatacenterId(2),
        }),
        Call::Provider(provider::Call::Accept {
            provider: ProviderId(1),
        }),
        Call::Provider(provider::Call::Admit {
            provider: ProviderId(1),
            admitted: true,
        }),
        Call::Peer(peer::Call::SetOperator {
            peer,
            operator: Address([5; 20]),
        }),
        Call::Provider(provider::Call::Withdraw {
            provider,
            workers: 256,
        }),
        Call::Datacenter(datacenter::Call::Register(place)),
        Call::Peer(peer::Call::Register(registration)),
        Call::Peer(peer::Call::SetEndpoints { peer, endpoints }),
        Call::Peer(peer::Call::SetAttributes {
            peer,
            attributes: attributes(),
        }),
        Call::Peer(peer::Call::AddUnits { peer, count: 1 }),
        Call::Peer(peer::Call::RemoveUnits { peer, count: 1 }),
        Call::Peer(peer::Call::Remove { peer }),
        Call::Offer(offer::Call::Post {
            datacenter: DatacenterId(2),
            curve,
            terms: offer_terms(),
            peers: vec![PEER],
        }),
        Call::Offer(offer::Call::SetPrice { offer, curve }),
        Call::Offer(offer::Call::SetTerms {
            offer,
            terms: offer_terms(),
        }),
        Call::Offer(offer::Call::AddPeer { offer, peer }),
        Call::Offer(offer::Call::RemovePeer { offer, peer }),
        Call::Offer(offer::Call::Close { offer }),
    ]
}

fn offer_terms() -> offer::Terms {
    offer::Terms {
        pricing: vec![Pricing::Request, Pricing::Epoch],
        allowed: vec![Address([1; 20]), Address([2; 20])],
        denied: vec![Address([3; 20])],
        min_duration: Seconds(1),
        max_duration: Some(Seconds(2)),
        max_units_per_deal: None,
        notice: Seconds(3),
        max_hold: Seconds(4),
        valid_until: Some(Time(5)),
        attributes: attributes(),
    }
}

fn demand_terms() -> demand::Terms {
    let source = Source {
        key: PEER,
        endpoint: "host:2".into(),
    };
    demand::Terms {
        artifact: Artifact {
            hash: Hash([5; 32]),
            size: 10,
            kind: ArtifactKind::Bundle,
            sources: vec![source],
        },
        units_per_worker: 2,
        min_workers: 1,
        target_workers: 3,
        limit_price: Price(7),
        pricing: Pricing::Request,
        duration: None,
        requirements: requirements(),
        effectors: vec!["wasi:keyvalue".into()],
        protocol_version: 1,
        spread: Spread {
            max_per_provider: 1,
            min_countries: 2,
            ..Spread::default()
        },
        providers: Providers {
            allow: vec![ProviderId(1), ProviderId(2)],
            deny: vec![ProviderId(3)],
        },
        hold: Seconds(60),
        monitor: Some(Address([6; 20])),
    }
}

/// One of every question that can be asked to be explained.
pub(crate) fn questions() -> Vec<Question> {
    vec![
        Question::posted(DealId(5)),
        Question::draft([6; 20].into(), demand_terms(), Usdc(8)),
    ]
}

/// An explanation with one of every change.
fn explanation() -> explain::Explanation {
    let test = Test::AtLeast(Value::Version(1, 2, 3));
    let what = [
        What::LimitPrice(Price(u128::MAX)),
        What::Escrow(Usdc(9)),
        What::UnitsPerWorker(1),
        What::MinWorkers(2),
        What::Requirement(3, Some(test)),
        What::Requirement(3, None),
        What::Effector(4),
        What::ProtocolVersion(5),
        What::Duration(Seconds(6)),
        What::Hold(Seconds(7)),
        What::MaxPerProvider(8),
        What::MaxPerDatacenter(9),
        What::MaxPerCountry(10),
        What::MinProviders(11),
        What::MinCountries(0),
    ];
    let change = |what| explain::Change {
        what,
        escrow: Usdc(12),
        distance_ppm: 1_000_000,
    };
    explain::Explanation {
        placed: vec![explain::Placement {
            peer: PEER,
            provider: ProviderId(1),
            offer: OfferId(2),
            datacenter: DatacenterId(3),
            country: datacenter::Country(*b"CH"),
            ask: Price(4),
        }],
        rate: Rate(8),
        reasons: vec![(Reason::Price, 2), (Reason::NotChosen, 1)],
        changes: what.map(change).to_vec(),
    }
}

fn deals() -> Vec<Call> {
    let (deal, worker, amount) = (DealId(5), WorkerId(6), Usdc(7));
    let (terms, escrow) = (demand_terms(), Usdc(8));
    let (artifact, obstacle) = (Hash([5; 32]), Obstacle::Unsupported);
    let (peer, stopped) = (PEER, vec![worker]);
    vec![
        Call::Demand(demand::Call::Post { terms, escrow }),
        Call::Deal(deal::Call::TopUp { deal, amount }),
        Call::Deal(deal::Call::WithdrawSurplus { deal, amount }),
        Call::Deal(deal::Call::Evict { worker }),
        Call::Deal(deal::Call::Stop { deal }),
        Call::Deal(deal::Call::Remove { deal }),
        Call::Worker(worker::Call::Running { worker, artifact }),
        Call::Worker(worker::Call::CannotRun {
            worker,
            artifact,
            obstacle,
        }),
        Call::Worker(worker::Call::Report { peer, stopped }),
        Call::Worker(worker::Call::GiveNotice { worker }),
        Call::Worker(worker::Call::GiveNoticeOfAll { peer }),
        Call::Worker(worker::Call::Leave { worker }),
    ]
}

fn changes() -> Vec<Call> {
    let (deal, to) = (DealId(5), Some(Address([7; 20])));
    let terms = demand_terms();
    let changes = [
        Change::Artifact(terms.artifact),
        Change::Target(3),
        Change::LimitPrice(Price(9)),
        Change::Requirements {
            requirements: terms.requirements,
            effectors: terms.effectors,
            protocol_version: 2,
        },
        Change::Spread(terms.spread),
        Change::Duration(Some(Seconds(9))),
        Change::Providers(terms.providers),
        Change::Monitor(None),
    ];
    let changes = changes.map(|change| change::Call::Terms { deal, change });
    let calls = changes.into_iter().chain([
        change::Call::Offer { deal, to },
        change::Call::Accept { deal },
    ]);
    calls.map(Call::Change).collect()
}

fn capacity() -> Vec<Call> {
    let (peer, commitment) = (PEER, CommitmentId(8));
    let new = commitment::New {
        peer,
        duration: 30,
        class: 16,
        share_ppm: 250_000,
        min_ask: Price(u128::MAX),
        delegator: Some(Address([8; 20])),
        payout: Address([9; 20]),
    };
    vec![
        Call::Commitment(commitment::Call::Create(new)),
        Call::Commitment(commitment::Call::Deposit { commitment }),
        Call::Commitment(commitment::Call::TakeBack { commitment }),
        Call::Commitment(commitment::Call::Cancel { commitment }),
        Call::Commitment(commitment::Call::Claim { commitment }),
        Call::Window(window::Call::Commit {
            peer,
            window: 7,
            root: Hash([3; 32]),
            units: vec![0, 1, 5],
        }),
        Call::Audit(audit::Call::Answer {
            audit: AuditId(4),
            bytes: vec![1, 2, 3],
        }),
        Call::Pool(pool::Call::Fund),
        Call::Pool(pool::Call::SetPrice {
            flt_price_micro: 250_000,
            reward_usd_micro: 1_500_000,
        }),
    ]
}

/// One of every call of the marketplace's address.
pub(crate) fn calls() -> Vec<Call> {
    [supply(), deals(), changes(), capacity()].concat()
}

#[test]
fn a_commitment_for_anybody_names_nobody() {
    let new = commitment::New {
        peer: PEER,
        duration: 1,
        class: 1,
        share_ppm: 0,
        min_ask: Price(0),
        delegator: None,
        payout: Address([9; 20]),
    };
    let call = Call::Commitment(commitment::Call::Create(new));
    let back = calldata::decode(&calldata::encode(&call));
    assert_eq!(back, Ok(Request::Call(call)));
}

#[test]
fn every_call_survives_the_way_there_and_back() {
    let mut selectors = Vec::new();
    for call in calls() {
        let data = calldata::encode(&call);
        selectors.push(data[..4].to_vec());
        let back = calldata::decode(&data).unwrap_or_else(|error| panic!("{call:?}: {error:?}"));
        assert_eq!(back, Request::Call(call));
    }
    let count = selectors.len();
    selectors.sort();
    selectors.dedup();
    assert_eq!(selectors.len(), count, "each call has its own selector");
}

/// (U2)
#[test]
fn accounts_of_the_ledger_and_their_addresses_belong_together() {
    use marketplace::ledger::Account;
    for account in [
        Account::User(Address([1; 20])),
        Account::Deal(DealId(u64::MAX)),
        Account::Deal(DealId(0)),
        Account::Commitment(CommitmentId(u64::MAX)),
        Account::Commitment(CommitmentId(0)),
        Account::Treasury,
        Account::Dust,
    ] {
        let address = usdc::address_of(account);
        assert_eq!(usdc::account_at(address), account);
        assert_eq!(
            usdc::can_receive(address),
            matches!(account, Account::User(_))
        );
    }
}

#[test]
fn views_survive_json() {
    let view = abi::view::demand::Demand::from(demand_terms());
    let json = serde_json::to_string_pretty(&view).expect("plain data");
    assert_eq!(
        serde_json::from_str::<abi::view::demand::Demand>(&json).expect("ours"),
        view
    );
    insta::assert_snapshot!("demand_json", json);
    let (offer, peers) = (
        offer::Offer {
            provider: ProviderId(1),
            datacenter: DatacenterId(2),
            curve: offer::Curve {
                floor: Price(u128::MAX),
                slope: Price(5),
            },
            raise: None,
            terms: offer_terms(),
            peers: 1,
            deposit: Flt(5),
        },
        vec![PEER],
    );
    let view = abi::view::offer::Offer::from((OfferId(3), offer, peers));
    let json = serde_json::to_string_pretty(&view).expect("plain data");
    assert_eq!(
        serde_json::from_str::<abi::view::offer::Offer>(&json).expect("ours"),
        view
    );
    insta::assert_snapshot!("offer_json", json);
    let view = Explanation::from(explanation());
    let json = serde_json::to_string_pretty(&view).expect("plain data");
    assert_eq!(
        serde_json::from_str::<Explanation>(&json).expect("ours"),
        view
    );
    insta::assert_snapshot!("explanation_json", json);
    let json = serde_json::to_string_pretty(&questions()).expect("plain data");
    assert_eq!(
        serde_json::from_str::<Vec<Question>>(&json).expect("ours"),
        questions()
    );
    for wrong in [
        r#"{}"#,
        r#"{"deal":-1}"#,
        r#"{"deal":1,"owner":"0x0000000000000000000000000000000000000000","call":"0x"}"#,
        r#"{"owner":"0x0000000000000000000000000000000000000000"}"#,
    ] {
        let error = serde_json::from_str::<Question>(wrong).expect_err(wrong);
        assert!(error.to_string().contains("postDemand"), "{wrong}: {error}");
    }
    for wrong in [r#""-1""#, r#""+1""#, r#""0x1""#, r#""""#, "1", r#"" 1""#] {
        let amount = format!(r#"{{"fromEpoch":1,"slope":"1","price":{wrong}}}"#);
        assert!(
            serde_json::from_str::<abi::view::offer::Raise>(&amount).is_err(),
            "{wrong}"
        );
    }
}

/// An active commitment, with all that it may have.
fn committed() -> commitment::View {
    let due = commitment::Due {
        rewards: Flt(5),
        revenue: Usdc(6),
        collateral: Flt(7),
    };
    let row = commitment::Commitment {
        provider: ProviderId(1),
        peer: PEER,
        units: 1,
        class: 2,
        duration: 30,
        share_ppm: 250_000,
        min_ask: Price(u128::MAX),
        delegator: None,
        payout: Address([9; 20]),
        per_unit: Flt(400),
        staked: Flt(400),
        version: 0,
        created: Epoch(3),
        status: commitment::Status::Active {
            start: Epoch(4),
            end: Epoch(34),
        },
        missed: 1,
        flag: 48,
        audits: 1,
        workers: 1,
        released: false,
        deposit: Flt(5),
    };
    let proof = commitment::Proof {
        owes_from: 4,
        owed: 1,
        owed_next: 0,
        passed: 2,
        free_from: 0,
        taken_in: u64::MAX,
        back_in: u64::MAX,
        faulted_in: Some(3),
        slashed: Flt(4),
        expelled: false,
    };
    let unit = commitment::Unit {
        proof,
        owed: 3,
        entered: 1,
    };
    let delegation = commitment::Delegation {
        stake: Flt(400),
        rewards: Flt(1),
        revenue: Usdc(2),
    };
    commitment::View {
        commitment: row,
        epoch: Epoch(5),
        units: vec![unit],
        delegators: vec![(Address([8; 20]), delegation, due)],
        provider: due,
        held_back: Flt(10),
        vesting: Flt(11),
        vested: Flt(12),
        revenue: Usdc(13),
        left: Flt(396),
        closes: Epoch(10),
        miss_limit: 10,
    }
}

#[test]
fn views_of_capacity_survive_json() {
    use abi::view::{
        audit::Audit,
        commitment::{Commitment, Pledge, Proving},
        pool::Pool,
        time, unit,
        window::{Keys, Window},
    };
    let now = time::Time::new(9, 21_000, 1_000_000, 86_400);
    let row = window::Window {
        begun: 7,
        challenge: Some([1; 32]),
        owed_before: 9,
        entries: 100,
        flagged: 1,
        closed: None,
    };
    let keys = Keys {
        this: Some([2; 32]),
        next: None,
    };
    let window = Window::new(&now, &Params::default(), (11, row), keys);
    let proving = commitment::Proving {
        commitment: CommitmentId(8),
        provider: ProviderId(1),
        class: 2,
        payout: Address([9; 20]),
        units: vec![0, 1],
        committed: Some(window::Committed {
            commitment: CommitmentId(8),
            root: Hash([3; 32]),
            before: 5,
            seats: vec![0, 1],
            units: vec![0],
        }),
    };
    let pledge = commitment::Pledge {
        current: CommitmentId(8),
        previous: None,
        successor: Some(CommitmentId(9)),
        active: true,
        since: Time(5),
        ends: Time::NEVER,
        failed: None,
        min_ask: Price(1),
        proven: 2,
        unready: vec![1],
    };
    let units = peer::Units(vec![
        peer::Whereabouts::Idle,
        peer::Whereabouts::Proving,
        peer::Whereabouts::Cooling(7),
        peer::Whereabouts::Serving(WorkerId(3)),
        peer::Whereabouts::Exited,
    ]);
    let audit = audit::Audit {
        window: 11,
        epoch: Epoch(1),
        peer: PEER,
        provider: ProviderId(1),
        commitment: CommitmentId(8),
        unit: 1,
        class: 2,
        payout: Address([9; 20]),
        key: [2; 32],
        challenge: [1; 32],
        root: Hash([3; 32]),
        seat: 1,
        seats: 2,
        seed: [4; 32],
        leaves: 16,
        answer_by: Time::NEVER,
        answer: Some(audit::Answer {
            due: Time(22_000),
            bytes: vec![1],
        }),
    };
    let pool = pool::View {
        fund: Flt(u128::MAX),
        pool: Flt(2),
        price: Some(pool::Price {
            flt_price_micro: 250_000,
            reward_usd_micro: 1_500_000,
            at: Time(3),
        }),
        fresh: false,
    };
    macro_rules! survives {
        ($($type:ty: $value:expr,)*) => {[$({
            let view: $type = $value;
            let json = serde_json::to_string_pretty(&view).expect("plain data");
            assert_eq!(serde_json::from_str::<$type>(&json).expect("ours"), view);
            json
        },)*]};
    }
    let all = survives! {
        Commitment: (CommitmentId(8), committed()).into(),
        Pledge: pledge.clone().into(),
        Vec<unit::Unit>: unit::all(&units, Some(&pledge), Some(1)),
        Proving: Proving::new(&Params::default(), PEER, window, proving),
        Audit: Audit::new(&now, AuditId(4), &audit),
        Pool: pool.into(),
    };
    insta::assert_snapshot!("capacity_json", all.join("\n"));
}
