;; Begins to answer, then waits for an hour.
(module
  (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $after (param i64) (result i32)))
  (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
  ;; include answer
  (data (i32.const 64) "first\n")
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (call $open (local.get $out))
    (call $write (i32.const 64) (i32.const 6))
    (call $block (call $after (i64.const 3_600_000_000_000)))
    (call $close)))
