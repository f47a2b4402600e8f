//! Calldata and questions of any shape.

use crate::{
    dice::Fuzz,
    samples::{calls, questions},
};
use abi::view::explain::Question;
use abi::{Request, calldata, refusal};

/// Whatever decodes means the same after the way back.
fn decode_calldata(data: &[u8]) {
    if let Ok(Request::Call(call)) = calldata::decode(data) {
        let again = calldata::decode(&calldata::encode(&call));
        assert_eq!(again, Ok(Request::Call(call)));
    }
    let _ = refusal::explain(data);
}

/// (X5)
#[test]
fn mutated_calldata_never_panics_and_has_one_meaning() {
    let samples: Vec<Vec<u8>> = calls().iter().map(calldata::encode).collect();
    let mut fuzz = Fuzz::begin();
    while let Some(dice) = fuzz.round() {
        let mut data = dice.of(&samples);
        dice.mutate(&mut data);
        decode_calldata(&data);
        // Zeros are what ABI words are mostly made of.
        data.extend_from_slice(&[0; 64][..dice.below(64)]);
        decode_calldata(&data);
    }
}

#[test]
fn mutated_questions_never_panic_and_have_one_meaning() {
    let write = |question: &Question| serde_json::to_vec(question).expect("plain data");
    let samples: Vec<Vec<u8>> = questions().iter().map(write).collect();
    let mut fuzz = Fuzz::begin();
    while let Some(dice) = fuzz.round() {
        let mut json = dice.of(&samples);
        dice.mutate(&mut json);
        let Ok(question) = serde_json::from_slice::<Question>(&json) else {
            continue;
        };
        let again = serde_json::from_slice::<Question>(&write(&question));
        assert_eq!(again.expect("ours"), question);
        if let Question::Draft { call, .. } = question {
            decode_calldata(&call);
        }
    }
}
