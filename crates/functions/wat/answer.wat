  ;; How a function answers: inserted by the build where a source says `;; include answer`.
  ;; Memory: 0..32 where the host puts results, 64..4096 the texts of the function, from 4096 the heap.
  (import "wasi:http/types@0.2.12" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.12" "[method]fields.append"
    (func $append (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.12" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-response.body" (func $response_body (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[static]response-outparam.set"
    (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-body.write" (func $body_write (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush"
    (func $stream_write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.12" "[resource-drop]output-stream" (func $stream_drop (param i32)))

  (memory (export "memory") 2)
  (data (i32.const 32) "content-type")
  (data (i32.const 44) "text/plain")
  (global $heap (mut i32) (i32.const 4096))
  (global $body (mut i32) (i32.const 0))
  (global $stream (mut i32) (i32.const 0))

  ;; Gives out memory upwards and takes none back: an instance lives for one request.
  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $start i32)
    (local.set $start
      (i32.and
        (i32.sub (i32.add (global.get $heap) (local.get $align)) (i32.const 1))
        (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $start) (local.get $size)))
    (block $enough
      (loop $grow
        (br_if $enough
          (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        (br $grow)))
    (local.get $start))

  ;; Starts a plain text answer with status 200.
  (func $open (param $out i32)
    (local $fields i32)
    (local $response i32)
    (local.set $fields (call $fields))
    (call $append (local.get $fields) (i32.const 32) (i32.const 12) (i32.const 44) (i32.const 10) (i32.const 0))
    (local.set $response (call $response (local.get $fields)))
    (call $response_body (local.get $response) (i32.const 0))
    (global.set $body (i32.load (i32.const 4)))
    (call $set (local.get $out) (i32.const 0) (local.get $response)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $body_write (global.get $body) (i32.const 0))
    (global.set $stream (i32.load (i32.const 4))))

  ;; Writes a part of the answer; the interface takes at most 4096 bytes at once.
  (func $write (param $text i32) (param $size i32)
    (local $part i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $size)))
        (local.set $part
          (select (i32.const 4096) (local.get $size) (i32.gt_u (local.get $size) (i32.const 4096))))
        (call $stream_write (global.get $stream) (local.get $text) (local.get $part) (i32.const 0))
        (if (i32.load8_u (i32.const 0)) (then unreachable))
        (local.set $text (i32.add (local.get $text) (local.get $part)))
        (local.set $size (i32.sub (local.get $size) (local.get $part)))
        (br $more))))

  ;; Ends the answer.
  (func $close
    (call $stream_drop (global.get $stream))
    (call $finish (global.get $body) (i32.const 0) (i32.const 0) (i32.const 0)))
