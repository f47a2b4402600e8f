;; Asks the function `swarm` of its artifact, itself, four times at once, and logs a line each time that it begins.
(module
  (import "wasi:cli/stderr@0.2.12" "get-stderr" (func $stderr (result i32)))
  (import "wasi:http/types@0.2.12" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-scheme"
    (func $set_scheme (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-authority"
    (func $set_authority (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-path-with-query"
    (func $set_path (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/outgoing-handler@0.2.12" "handle" (func $send (param i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]future-incoming-response.subscribe" (func $subscribe (param i32) (result i32)))
  (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
  ;; include answer
  (data (i32.const 64) "swarm.internal")
  (data (i32.const 79) "/begun\ndone\n")

  ;; Sends one request; how that went is at `$at`.
  (func $ask (param $at i32)
    (local $request i32)
    (local.set $request (call $request (call $fields)))
    (drop (call $set_scheme (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
    (drop (call $set_authority (local.get $request) (i32.const 1) (i32.const 64) (i32.const 14)))
    (drop (call $set_path (local.get $request) (i32.const 1) (i32.const 79) (i32.const 1)))
    (call $send (local.get $request) (i32.const 0) (i32.const 0) (local.get $at)))

  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $incoming i32) (param $out i32)
    (local $at i32)
    (call $stream_write (call $stderr) (i32.const 80) (i32.const 6) (i32.const 0))
    (local.set $at (i32.const 1024))
    (loop $more
      (call $ask (local.get $at))
      (local.set $at (i32.add (local.get $at) (i32.const 64)))
      (br_if $more (i32.lt_u (local.get $at) (i32.const 1280))))
    (local.set $at (i32.const 1024))
    (loop $more
      ;; 0: it was sent.
      (if (i32.eqz (i32.load8_u (local.get $at)))
        (then (call $block (call $subscribe (i32.load offset=8 (local.get $at))))))
      (local.set $at (i32.add (local.get $at) (i32.const 64)))
      (br_if $more (i32.lt_u (local.get $at) (i32.const 1280))))
    (call $open (local.get $out))
    (call $write (i32.const 86) (i32.const 5))
    (call $close)))
