;; An asynchronous function: gives a response, and writes its body after that. It says which path was asked for; what else it
;; does, the second letter of the path says: `/body` answers with the body of the request, `/slow` writes a part and never
;; another, `/log` logs a line, `/fetch/HOST` asks a server, `/trap` fails at once, `/late` fails after a part of the body,
;; `/spin` never ends, `/grow` takes memory without end, `/many` streams without end.
(module
  (import "wasi:http/types@0.3.0" "[method]request.get-path-with-query" (func $path (param i32 i32)))
  (import "wasi:http/types@0.3.0" "[resource-drop]request" (func $request_drop (param i32)))
  (import "wasi:http/types@0.3.0" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.3.0" "[static]response.new" (func $response (param i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.3.0" "[stream-new-0][static]response.new" (func $stream (result i64)))
  (import "wasi:http/types@0.3.0" "[async-lower][stream-write-0][static]response.new"
    (func $stream_write (param i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.3.0" "[stream-drop-writable-0][static]response.new" (func $stream_drop (param i32)))
  (import "wasi:http/types@0.3.0" "[future-new-1][static]response.new" (func $trailers (result i64)))
  (import "wasi:http/types@0.3.0" "[async-lower][future-write-1][static]response.new"
    (func $trailers_write (param i32 i32) (result i32)))
  (import "wasi:http/types@0.3.0" "[future-drop-writable-1][static]response.new" (func $trailers_drop (param i32)))
  (import "wasi:http/types@0.3.0" "[static]request.consume-body" (func $consume (param i32 i32 i32)))
  (import "wasi:http/types@0.3.0" "[future-new-0][static]request.consume-body" (func $processed (result i64)))
  (import "wasi:http/types@0.3.0" "[static]request.new" (func $request (param i32 i32 i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.3.0" "[future-new-1][static]request.new" (func $request_trailers (result i64)))
  (import "wasi:http/types@0.3.0" "[method]request.set-authority" (func $authority (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.3.0" "[method]request.set-path-with-query"
    (func $query (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/client@0.3.0" "send" (func $send (param i32 i32)))
  (import "wasi:cli/stdout@0.3.0" "write-via-stream" (func $log (param i32) (result i32)))
  (import "wasi:cli/stdout@0.3.0" "[stream-new-0]write-via-stream" (func $log_stream (result i64)))
  (import "wasi:cli/stdout@0.3.0" "[async-lower][stream-write-0]write-via-stream"
    (func $log_write (param i32 i32 i32) (result i32)))
  (import "wasi:cli/stdout@0.3.0" "[stream-drop-writable-0]write-via-stream" (func $log_drop (param i32)))
  (import "[export]wasi:http/handler@0.3.0" "[task-return]handle"
    (func $return (param i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "$root" "[waitable-set-new]" (func $set (result i32)))
  (import "$root" "[waitable-set-wait]" (func $wait (param i32 i32) (result i32)))
  (import "$root" "[waitable-join]" (func $join (param i32 i32)))

  ;; 0..64 where the host puts results, 64..1024 texts, 1024..1088 trailers: none; from 4096 the heap.
  (memory (export "memory") 1)
  (data (i32.const 64) "Hello from 0.3! You asked for ")
  (data (i32.const 94) ".\n")
  (data (i32.const 96) "a line\n")
  (data (i32.const 104) "answered\n")
  (data (i32.const 116) "refused\n")
  (data (i32.const 128) "/")
  (global $heap (mut i32) (i32.const 4096))
  (global $body (mut i32) (i32.const 0))
  (global $end (mut i32) (i32.const 0))

  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $start i32)
    (local.set $start
      (i32.and
        (i32.sub (i32.add (global.get $heap) (local.get $align)) (i32.const 1))
        (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $start) (local.get $size)))
    (if (i32.gt_u (global.get $heap) (i32.const 65536)) (then unreachable))
    (local.get $start))

  (func $high (param $pair i64) (result i32)
    (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))))

  ;; What a write came to, which may be known only later.
  (func $settled (param $waitable i32) (param $code i32) (result i32)
    (local $set i32)
    (if (i32.ne (local.get $code) (i32.const -1)) (then (return (local.get $code))))
    (local.set $set (call $set))
    (call $join (local.get $waitable) (local.get $set))
    (drop (call $wait (local.get $set) (i32.const 32)))
    (call $join (local.get $waitable) (i32.const 0))
    (i32.load (i32.const 36)))

  ;; Gives the response.
  (func $open (param $contents i32)
    (local $trailers i64)
    (local.set $trailers (call $trailers))
    (global.set $end (call $high (local.get $trailers)))
    (call $response (call $fields) (i32.const 1) (local.get $contents) (i32.wrap_i64 (local.get $trailers)) (i32.const 0))
    (call $return (i32.const 0) (i32.load (i32.const 0)) (i32.const 0) (i64.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))

  (func $write (param $text i32) (param $size i32)
    (local $code i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $size)))
        (local.set $code
          (call $settled (global.get $body)
            (call $stream_write (global.get $body) (local.get $text) (local.get $size))))
        ;; 0: written; 1: nobody reads any more.
        (br_if $done (i32.and (local.get $code) (i32.const 15)))
        (local.set $code (i32.shr_u (local.get $code) (i32.const 4)))
        (local.set $text (i32.add (local.get $text) (local.get $code)))
        (local.set $size (i32.sub (local.get $size) (local.get $code)))
        (br $more))))

  (func $close
    (drop (call $settled (global.get $end) (call $trailers_write (global.get $end) (i32.const 1024))))
    (call $trailers_drop (global.get $end)))

  ;; Answers with the body of the request.
  (func $echo (param $request i32)
    (call $consume (local.get $request) (i32.wrap_i64 (call $processed)) (i32.const 0))
    (call $open (i32.load (i32.const 0)))
    (call $close))

  (func $line
    (local $stream i64)
    (local.set $stream (call $log_stream))
    (drop (call $log (i32.wrap_i64 (local.get $stream))))
    (drop
      (call $settled (call $high (local.get $stream))
        (call $log_write (call $high (local.get $stream)) (i32.const 96) (i32.const 7))))
    (call $log_drop (call $high (local.get $stream))))

  ;; Whether a server answers.
  (func $asks (param $host i32) (param $size i32) (result i32)
    (local $request i32)
    (call $request (call $fields) (i32.const 0) (i32.const 0) (i32.wrap_i64 (call $request_trailers))
      (i32.const 0) (i32.const 0) (i32.const 0))
    (local.set $request (i32.load (i32.const 0)))
    (if (call $authority (local.get $request) (i32.const 1) (local.get $host) (local.get $size)) (then unreachable))
    (if (call $query (local.get $request) (i32.const 1) (i32.const 128) (i32.const 1)) (then unreachable))
    (call $send (local.get $request) (i32.const 512))
    (i32.eqz (i32.load8_u (i32.const 512))))

  (func $streamed
    (local $stream i64)
    (local.set $stream (call $stream))
    (global.set $body (call $high (local.get $stream)))
    (call $open (i32.wrap_i64 (local.get $stream))))

  (func $is (param $letter i32) (param $other i32) (result i32)
    (i32.eq (local.get $letter) (local.get $other)))

  (func (export "[async-lift]wasi:http/handler@0.3.0#handle") (param $request i32) (result i32)
    (local $path i32)
    (local $size i32)
    (local $letter i32)
    (call $path (local.get $request) (i32.const 0))
    (local.set $path (i32.load (i32.const 4)))
    (local.set $size (i32.load (i32.const 8)))
    (if (i32.gt_u (local.get $size) (i32.const 1))
      (then (local.set $letter (i32.load8_u offset=1 (local.get $path)))))
    (if (call $is (local.get $letter) (i32.const 0x62)) ;; body
      (then
        (call $echo (local.get $request))
        (return (i32.const 0))))
    (call $request_drop (local.get $request))
    (if (call $is (local.get $letter) (i32.const 0x74)) (then unreachable)) ;; trap
    (if (i32.and (call $is (local.get $letter) (i32.const 0x73)) ;; spin
        (call $is (i32.load8_u offset=2 (local.get $path)) (i32.const 0x70)))
      (then (loop $forever (br $forever))))
    (if (call $is (local.get $letter) (i32.const 0x67)) ;; grow
      (then (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable))
    (if (i32.and (call $is (local.get $letter) (i32.const 0x6c)) ;; log
        (call $is (i32.load8_u offset=2 (local.get $path)) (i32.const 0x6f)))
      (then (call $line)))
    (if (call $is (local.get $letter) (i32.const 0x66)) ;; fetch
      (then
        (if (call $asks (i32.add (local.get $path) (i32.const 7)) (i32.sub (local.get $size) (i32.const 7)))
          (then (call $streamed) (call $write (i32.const 104) (i32.const 9)))
          (else (call $streamed) (call $write (i32.const 116) (i32.const 8))))
        (call $stream_drop (global.get $body))
        (call $close)
        (return (i32.const 0))))
    (call $streamed)
    (call $write (i32.const 64) (i32.const 30))
    (if (call $is (local.get $letter) (i32.const 0x73)) ;; slow
      (then (drop (call $wait (call $set) (i32.const 32)))))
    (if (call $is (local.get $letter) (i32.const 0x6c)) ;; late
      (then (if (call $is (i32.load8_u offset=2 (local.get $path)) (i32.const 0x61)) (then unreachable))))
    (if (call $is (local.get $letter) (i32.const 0x6d)) ;; many
      (then (loop $forever (drop (call $stream)) (br $forever))))
    (call $write (local.get $path) (local.get $size))
    (call $write (i32.const 94) (i32.const 2))
    (call $stream_drop (global.get $body))
    (call $close)
    (i32.const 0))

  ;; Everything is waited for where it is done.
  (func (export "[callback][async-lift]wasi:http/handler@0.3.0#handle") (param i32 i32 i32) (result i32) unreachable))
