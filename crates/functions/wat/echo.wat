;; Sends the body of the request back, as it comes.
(module
  (import "wasi:http/types@0.2.12" "[method]incoming-request.consume" (func $consume (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-body.stream" (func $body_stream (param i32 i32)))
  (import "wasi:io/streams@0.2.12" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
  ;; include answer
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (local $input i32)
    (call $consume (local.get $request) (i32.const 0))
    (call $body_stream (i32.load (i32.const 4)) (i32.const 0))
    (local.set $input (i32.load (i32.const 4)))
    (call $open (local.get $out))
    (block $end
      (loop $more
        (global.set $heap (i32.const 4096))
        (call $read (local.get $input) (i64.const 4096) (i32.const 0))
        (if (i32.load8_u (i32.const 0))
          (then
            ;; 1: the body ended; 0: it broke.
            (br_if $end (i32.load8_u (i32.const 4)))
            unreachable))
        (call $write (i32.load (i32.const 4)) (i32.load (i32.const 8)))
        (br $more)))
    (call $close)))
