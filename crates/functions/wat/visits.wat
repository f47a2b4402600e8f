;; Counts the requests of its instance, and answers with how many there were. What else it does, the path says: `/body` reads
;; the body of the request to its end, `/print` logs a line without an end over an output that it opens once, `/state` does
;; one operation with its state, `/grow` takes 1 MiB, `/leak` keeps the headers of the request, `/trap` fails.
(module
  (import "wasi:http/types@0.2.12" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-request.headers" (func $headers (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-request.consume" (func $consume (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-body.stream" (func $body_stream (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[resource-drop]incoming-body" (func $body_drop (param i32)))
  (import "wasi:http/types@0.2.12" "[resource-drop]incoming-request" (func $request_drop (param i32)))
  (import "wasi:io/streams@0.2.12" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.12" "[resource-drop]input-stream" (func $input_drop (param i32)))
  (import "wasi:cli/stdout@0.2.12" "get-stdout" (func $stdout (result i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "open" (func $bucket (param i32 i32 i32)))
  (import "wasi:keyvalue/atomics@0.2.0-draft" "increment" (func $increment (param i32 i32 i32 i64 i32)))
  ;; include answer
  (data (i32.const 64) "default")
  (data (i32.const 72) "visit")
  (data (i32.const 80) "\n")
  (global $visits (mut i32) (i32.const 0))
  (global $output (mut i32) (i32.const -1))
  (global $state (mut i32) (i32.const -1))

  (func $body_read (param $request i32)
    (local $body i32)
    (local $input i32)
    (call $consume (local.get $request) (i32.const 0))
    (local.set $body (i32.load (i32.const 4)))
    (call $body_stream (local.get $body) (i32.const 0))
    (local.set $input (i32.load (i32.const 4)))
    (loop $more
      (global.set $heap (i32.const 4096))
      (call $read (local.get $input) (i64.const 4096) (i32.const 0))
      (br_if $more (i32.eqz (i32.load8_u (i32.const 0)))))
    (call $input_drop (local.get $input))
    (call $body_drop (local.get $body)))

  (func $print
    (if (i32.eq (global.get $output) (i32.const -1))
      (then (global.set $output (call $stdout))))
    (call $stream_write (global.get $output) (i32.const 72) (i32.const 5) (i32.const 0)))

  (func $keep
    (if (i32.eq (global.get $state) (i32.const -1))
      (then
        (call $bucket (i32.const 64) (i32.const 7) (i32.const 512))
        (global.set $state (i32.load (i32.const 516)))))
    (call $increment (global.get $state) (i32.const 72) (i32.const 5) (i64.const 1) (i32.const 512))
    (if (i32.load8_u (i32.const 512)) (then unreachable)))

  ;; Does what the second letter of the path stands for.
  (func $do (param $request i32) (param $letter i32)
    (if (i32.eq (local.get $letter) (i32.const 0x62)) (then (call $body_read (local.get $request))))
    (if (i32.eq (local.get $letter) (i32.const 0x70)) (then (call $print)))
    (if (i32.eq (local.get $letter) (i32.const 0x73)) (then (call $keep)))
    (if (i32.eq (local.get $letter) (i32.const 0x67))
      (then (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))))
    (if (i32.eq (local.get $letter) (i32.const 0x6c)) (then (drop (call $headers (local.get $request)))))
    (if (i32.eq (local.get $letter) (i32.const 0x74)) (then unreachable)))

  (func $number (param $number i32)
    (local $at i32)
    (local.set $at (i32.const 256))
    (loop $more
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
      (local.set $number (i32.div_u (local.get $number) (i32.const 10)))
      (br_if $more (local.get $number)))
    (call $write (local.get $at) (i32.sub (i32.const 256) (local.get $at))))

  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (global.set $heap (i32.const 4096))
    (global.set $visits (i32.add (global.get $visits) (i32.const 1)))
    (call $path (local.get $request) (i32.const 0))
    (if (i32.gt_u (i32.load (i32.const 8)) (i32.const 1))
      (then (call $do (local.get $request) (i32.load8_u offset=1 (i32.load (i32.const 4))))))
    (call $request_drop (local.get $request))
    (call $open (local.get $out))
    (call $number (global.get $visits))
    (call $write (i32.const 80) (i32.const 1))
    (call $close)))
