;; Logs ten thousand lines with a terminal's escape sequence in each, then one line of 64 KiB, then answers.
(module
  (import "wasi:cli/stderr@0.2.12" "get-stderr" (func $stderr (result i32)))
  ;; include answer
  (data (i32.const 64) "\1b[31mred\n")
  (data (i32.const 80) "done\n")
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (local $left i32)
    (global.set $stream (call $stderr))
    (local.set $left (i32.const 10000))
    (loop $more
      (call $write (i32.const 64) (i32.const 9))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $more (local.get $left)))
    (memory.fill (i32.const 65536) (i32.const 120) (i32.const 65536))
    (call $write (i32.const 65536) (i32.const 65536))
    (call $open (local.get $out))
    (call $write (i32.const 80) (i32.const 5))
    (call $close)))
