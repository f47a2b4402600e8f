;; Keeps values under the path of the request. GET adds 1 to the value, which begins at 0, and answers with the sum. POST
;; keeps the body, at most 64 KiB of it, and answers `kept`. What is refused is answered with why.
(module
  (import "wasi:http/types@0.2.12" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-request.method" (func $method (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-request.consume" (func $consume (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-body.stream" (func $body_stream (param i32 i32)))
  (import "wasi:io/streams@0.2.12" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "open" (func $bucket (param i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.set" (func $keep (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:keyvalue/atomics@0.2.0-draft" "increment" (func $increment (param i32 i32 i32 i64 i32)))
  ;; include answer
  (data (i32.const 64) "default")
  (data (i32.const 72) "kept\n")
  (data (i32.const 80) "no such store\n")
  (data (i32.const 96) "\n")

  ;; Answers with the error at `$error`, whose kind 2 has words.
  (func $refused (param $out i32) (param $error i32)
    (call $open (local.get $out))
    (if (i32.eq (i32.load8_u (local.get $error)) (i32.const 2))
      (then
        (call $write (i32.load offset=4 (local.get $error)) (i32.load offset=8 (local.get $error)))
        (call $write (i32.const 96) (i32.const 1)))
      (else (call $write (i32.const 80) (i32.const 14))))
    (call $close))

  ;; Writes a number.
  (func $number (param $number i64)
    (local $at i32)
    (local.set $at (i32.const 256))
    (loop $more
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $number) (i64.const 10)))))
      (local.set $number (i64.div_u (local.get $number) (i64.const 10)))
      (br_if $more (i64.ne (local.get $number) (i64.const 0))))
    (call $write (local.get $at) (i32.sub (i32.const 256) (local.get $at))))

  ;; Reads the body of the request into one piece at $to, which is behind all else; gives its size.
  (func $body (param $request i32) (param $to i32) (result i32)
    (local $input i32)
    (local $size i32)
    (call $consume (local.get $request) (i32.const 0))
    (call $body_stream (i32.load (i32.const 4)) (i32.const 0))
    (local.set $input (i32.load (i32.const 4)))
    (block $end
      (loop $more
        (global.set $heap (i32.const 32768))
        (call $read (local.get $input) (i64.const 4096) (i32.const 0))
        (br_if $end (i32.load8_u (i32.const 0)))
        (memory.copy
          (i32.add (local.get $to) (local.get $size)) (i32.load (i32.const 4)) (i32.load (i32.const 8)))
        (local.set $size (i32.add (local.get $size) (i32.load (i32.const 8))))
        (br_if $more (i32.le_u (local.get $size) (i32.const 61440)))))
    (local.get $size))

  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (local $key i32)
    (local $size i32)
    (local $bucket i32)
    (local $is_post i32)
    (call $path (local.get $request) (i32.const 0))
    (local.set $key (i32.load (i32.const 4)))
    (local.set $size (i32.load (i32.const 8)))
    (call $method (local.get $request) (i32.const 0))
    ;; get, head, post …
    (local.set $is_post (i32.eq (i32.load8_u (i32.const 0)) (i32.const 2)))
    (call $bucket (i32.const 64) (i32.const 7) (i32.const 512))
    (if (i32.load8_u (i32.const 512))
      (then
        (call $refused (local.get $out) (i32.const 516))
        (return)))
    (local.set $bucket (i32.load (i32.const 516)))
    (if (local.get $is_post)
      (then
        (call $keep (local.get $bucket) (local.get $key) (local.get $size)
          (i32.const 65536) (call $body (local.get $request) (i32.const 65536)) (i32.const 512))
        (if (i32.load8_u (i32.const 512))
          (then (call $refused (local.get $out) (i32.const 516)))
          (else
            (call $open (local.get $out))
            (call $write (i32.const 72) (i32.const 5))
            (call $close)))
        (return)))
    (call $increment (local.get $bucket) (local.get $key) (local.get $size) (i64.const 1) (i32.const 512))
    (if (i32.load8_u (i32.const 512))
      (then
        (call $refused (local.get $out) (i32.const 520))
        (return)))
    (call $open (local.get $out))
    (call $number (i64.load (i32.const 520)))
    (call $write (i32.const 96) (i32.const 1))
    (call $close)))
