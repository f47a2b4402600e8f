;; Tries to reach a server on the machine it runs on, and says how that went.
(module
  (import "wasi:http/types@0.2.12" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-authority"
    (func $authority (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-path-with-query"
    (func $set_path (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/outgoing-handler@0.2.12" "handle" (func $send (param i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]future-incoming-response.subscribe" (func $subscribe (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]future-incoming-response.get" (func $get (param i32 i32)))
  (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
  ;; include answer
  (data (i32.const 64) "127.0.0.1:80/")
  (data (i32.const 80) "sent..\ndenied\n")
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $incoming i32) (param $out i32)
    (local $outgoing i32)
    (local $denied i32)
    (local.set $outgoing (call $request (call $fields)))
    (drop (call $authority (local.get $outgoing) (i32.const 1) (i32.const 64) (i32.const 12)))
    (drop (call $set_path (local.get $outgoing) (i32.const 1) (i32.const 76) (i32.const 1)))
    (call $send (local.get $outgoing) (i32.const 0) (i32.const 0) (i32.const 4096))
    (local.set $denied (i32.load8_u (i32.const 4096)))
    (if (i32.eqz (local.get $denied))
      (then
        (call $block (call $subscribe (i32.load (i32.const 4104))))
        (call $get (i32.load (i32.const 4104)) (i32.const 4608))
        (local.set $denied (i32.load8_u (i32.const 4624)))))
    (call $open (local.get $out))
    (call $write (select (i32.const 87) (i32.const 80) (local.get $denied)) (i32.const 7))
    (call $close)))
