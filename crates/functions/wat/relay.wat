;; Sends the body of the request through the function `next` of its artifact, part by part: each part has to come back before
;; the next one is sent.
(module
  (import "wasi:http/types@0.2.12" "[method]incoming-request.consume" (func $consume (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-method"
    (func $set_method (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-scheme"
    (func $set_scheme (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-authority"
    (func $set_authority (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.body" (func $request_body (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-path-with-query"
    (func $set_path (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/outgoing-handler@0.2.12" "handle" (func $send (param i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]future-incoming-response.subscribe" (func $subscribe (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]future-incoming-response.get" (func $get (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-response.consume" (func $response_consume (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-body.stream" (func $body_stream (param i32 i32)))
  (import "wasi:io/streams@0.2.12" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
  (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
  ;; include answer
  (data (i32.const 64) "next.internal")
  (data (i32.const 80) "/")

  ;; Reads a part, at most 4096 bytes: its place is at 196, its size at 200. 0 is the end; a body that breaks is a failure.
  (func $part (param $input i32) (result i32)
    (global.set $heap (i32.const 16384))
    (call $read (local.get $input) (i64.const 4096) (i32.const 192))
    (if (i32.load8_u (i32.const 192))
      (then
        (if (i32.eqz (i32.load8_u (i32.const 196))) (then unreachable))
        (return (i32.const 0))))
    (i32.const 1))

  ;; Passes on what comes until so many bytes have come.
  (func $back (param $input i32) (param $size i32)
    (block $done
      (loop $more
        (br_if $done (i32.le_s (local.get $size) (i32.const 0)))
        (if (i32.eqz (call $part (local.get $input))) (then unreachable))
        (local.set $size (i32.sub (local.get $size) (i32.load (i32.const 200))))
        (call $write (i32.load (i32.const 196)) (i32.load (i32.const 200)))
        (br $more))))

  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $incoming i32) (param $out i32)
    (local $request i32)
    (local $body i32)
    (local $there i32)
    (local $input i32)
    (local $back i32)
    (call $consume (local.get $incoming) (i32.const 0))
    (call $body_stream (i32.load (i32.const 4)) (i32.const 0))
    (local.set $input (i32.load (i32.const 4)))
    (local.set $request (call $request (call $fields)))
    ;; 2 is POST, 0 is http.
    (drop (call $set_method (local.get $request) (i32.const 2) (i32.const 0) (i32.const 0)))
    (drop (call $set_scheme (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
    (drop (call $set_authority (local.get $request) (i32.const 1) (i32.const 64) (i32.const 13)))
    (drop (call $set_path (local.get $request) (i32.const 1) (i32.const 80) (i32.const 1)))
    (call $request_body (local.get $request) (i32.const 0))
    (local.set $body (i32.load (i32.const 4)))
    (call $body_write (local.get $body) (i32.const 0))
    (local.set $there (i32.load (i32.const 4)))
    (call $send (local.get $request) (i32.const 0) (i32.const 0) (i32.const 256))
    (if (i32.load8_u (i32.const 256)) (then unreachable))
    (call $block (call $subscribe (i32.load (i32.const 264))))
    (call $get (i32.load (i32.const 264)) (i32.const 512))
    (if (i32.load8_u (i32.const 528)) (then unreachable))
    (call $response_consume (i32.load (i32.const 536)) (i32.const 0))
    (call $body_stream (i32.load (i32.const 4)) (i32.const 0))
    (local.set $back (i32.load (i32.const 4)))
    (call $open (local.get $out))
    (block $end
      (loop $more
        (br_if $end (i32.eqz (call $part (local.get $input))))
        (call $stream_write (local.get $there) (i32.load (i32.const 196)) (i32.load (i32.const 200)) (i32.const 0))
        (if (i32.load8_u (i32.const 0)) (then unreachable))
        (call $back (local.get $back) (i32.load (i32.const 200)))
        (br $more)))
    (call $stream_drop (local.get $there))
    (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 0))
    ;; Nothing but the end is left.
    (if (call $part (local.get $back)) (then unreachable))
    (call $close)))
