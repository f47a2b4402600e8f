//! What every built function must be; how they behave is tested where they run, in `worker`.

use functions::hostile::*;
use functions::*;

const ALL: [&[u8]; 25] = [
    HELLO,
    ECHO,
    ENVIRONMENT,
    CONFIG,
    FETCH,
    COUNTER,
    RELAY,
    VISITS,
    SPIN,
    TRAP,
    SILENT,
    ERROR_ANSWER,
    INTERIM,
    RECURSION,
    MEMORY_BOMB,
    FLOOD,
    SLOW_BODY,
    CHATTER,
    RESIDUE,
    OUTBOUND,
    SWARM,
    EXPLORER,
    TRESPASSER,
    HEADERS,
    HOARDER,
];

/// Preamble of a component, version 13, layer 1.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

#[test]
fn every_function_is_a_small_component_of_its_own() {
    for (index, function) in ALL.iter().enumerate() {
        assert!(function.starts_with(COMPONENT));
        assert!(function.len() < 16 * 1024, "{} bytes", function.len());
        assert!(!ALL[..index].contains(function));
    }
}

#[test]
fn a_function_imports_only_what_it_uses() {
    let asks_for = |function: &[u8], interface: &str| {
        let wanted = interface.as_bytes();
        function.windows(wanted.len()).any(|part| part == wanted)
    };
    assert!(asks_for(HELLO, "wasi:http/types@0.2.12"));
    assert!(!asks_for(HELLO, "wasi:http/outgoing-handler"));
    assert!(!asks_for(HELLO, "wasi:cli"));
    assert!(asks_for(OUTBOUND, "wasi:http/outgoing-handler@0.2.12"));
    assert!(asks_for(TRESPASSER, "marketplace:functions/unheard-of"));
}
