;; Asks another server, and passes its answer on. The path of the request names it: `/https/example.com:8443/path` asks
;; `https://example.com:8443/path`. Answers with a line `status 200` and the other's body, or with a line `error 15`, the
;; place of the error among those of the interface.
(module
  (import "wasi:http/types@0.2.12" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-scheme"
    (func $set_scheme (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-authority"
    (func $set_authority (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-path-with-query"
    (func $set_path (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/outgoing-handler@0.2.12" "handle" (func $send (param i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]future-incoming-response.subscribe" (func $subscribe (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]future-incoming-response.get" (func $get (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-response.status" (func $status (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-response.consume" (func $consume (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-body.stream" (func $body_stream (param i32 i32)))
  (import "wasi:io/streams@0.2.12" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
  (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
  ;; include answer
  (data (i32.const 64) "status ")
  (data (i32.const 72) "error ")
  (data (i32.const 80) "\nbroken\n")
  (data (i32.const 96) "mp-deal")
  (data (i32.const 104) "999")
  (data (i32.const 112) "cdn-loop")

  ;; The place of the next slash from `$at` on, or the end.
  (func $slash (param $at i32) (param $end i32) (result i32)
    (block $found
      (loop $more
        (br_if $found (i32.ge_u (local.get $at) (local.get $end)))
        (br_if $found (i32.eq (i32.load8_u (local.get $at)) (i32.const 0x2f)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $more)))
    (local.get $at))

  ;; Writes a text, a number of at most three digits, and the end of the line.
  (func $line (param $text i32) (param $size i32) (param $number i32)
    (call $write (local.get $text) (local.get $size))
    (i32.store8 (i32.const 128) (i32.add (i32.const 48) (i32.div_u (local.get $number) (i32.const 100))))
    (i32.store8 (i32.const 129)
      (i32.add (i32.const 48) (i32.rem_u (i32.div_u (local.get $number) (i32.const 10)) (i32.const 10))))
    (i32.store8 (i32.const 130) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
    (i32.store8 (i32.const 131) (i32.const 10))
    (if (i32.ge_u (local.get $number) (i32.const 100))
      (then (call $write (i32.const 128) (i32.const 4)))
      (else (call $write (i32.const 129) (i32.const 3)))))

  ;; A request to what the path at `$path` names. The function also says what is not its to say.
  (func $asked (param $path i32) (param $end i32) (result i32)
    (local $request i32)
    (local $fields i32)
    (local $authority i32)
    (local $rest i32)
    (local.set $fields (call $fields))
    (call $append (local.get $fields) (i32.const 96) (i32.const 7) (i32.const 104) (i32.const 3) (i32.const 160))
    (call $append (local.get $fields) (i32.const 112) (i32.const 8) (i32.const 104) (i32.const 3) (i32.const 160))
    (local.set $request (call $request (local.get $fields)))
    (local.set $path (i32.add (local.get $path) (i32.const 1)))
    (local.set $authority (i32.add (i32.const 1) (call $slash (local.get $path) (local.get $end))))
    ;; 0 is http, 1 is https: five letters.
    (drop (call $set_scheme (local.get $request) (i32.const 1)
      (i32.eq (i32.sub (local.get $authority) (local.get $path)) (i32.const 6)) (i32.const 0) (i32.const 0)))
    (local.set $rest (call $slash (local.get $authority) (local.get $end)))
    (drop (call $set_authority (local.get $request) (i32.const 1) (local.get $authority)
      (i32.sub (local.get $rest) (local.get $authority))))
    (if (i32.lt_u (local.get $rest) (local.get $end))
      (then (drop (call $set_path (local.get $request) (i32.const 1) (local.get $rest)
        (i32.sub (local.get $end) (local.get $rest))))))
    (local.get $request))

  ;; Passes a body on.
  (func $pass (param $body i32)
    (local $input i32)
    (call $body_stream (local.get $body) (i32.const 192))
    (local.set $input (i32.load (i32.const 196)))
    (block $end
      (loop $more
        (global.set $heap (i32.const 16384))
        (call $read (local.get $input) (i64.const 4096) (i32.const 192))
        (if (i32.load8_u (i32.const 192))
          (then
            ;; 1: the body ended; 0: it broke.
            (if (i32.eqz (i32.load8_u (i32.const 196))) (then (call $write (i32.const 80) (i32.const 8))))
            (br $end)))
        (call $write (i32.load (i32.const 196)) (i32.load (i32.const 200)))
        (br $more))))

  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $incoming i32) (param $out i32)
    (local $path i32)
    (local $response i32)
    (call $path (local.get $incoming) (i32.const 0))
    (local.set $path (i32.load (i32.const 4)))
    (call $send
      (call $asked (local.get $path) (i32.add (local.get $path) (i32.load (i32.const 8))))
      (i32.const 0) (i32.const 0) (i32.const 256))
    (call $open (local.get $out))
    (if (i32.load8_u (i32.const 256))
      (then
        (call $line (i32.const 72) (i32.const 6) (i32.load8_u (i32.const 264)))
        (call $close)
        (return)))
    (call $block (call $subscribe (i32.load (i32.const 264))))
    (call $get (i32.load (i32.const 264)) (i32.const 512))
    (if (i32.load8_u (i32.const 528))
      (then
        (call $line (i32.const 72) (i32.const 6) (i32.load8_u (i32.const 536)))
        (call $close)
        (return)))
    (local.set $response (i32.load (i32.const 536)))
    (call $line (i32.const 64) (i32.const 7) (call $status (local.get $response)))
    (call $consume (local.get $response) (i32.const 192))
    (call $pass (i32.load (i32.const 196)))
    (call $close)))
