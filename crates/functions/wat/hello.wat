;; Greets, and says which path was asked for.
(module
  (import "wasi:http/types@0.2.12" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
  ;; include answer
  (data (i32.const 64) "Hello, world! You asked for ")
  (data (i32.const 92) ".\n")
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (local $path i32)
    (local $size i32)
    (call $path (local.get $request) (i32.const 0))
    (if (i32.load8_u (i32.const 0))
      (then
        (local.set $path (i32.load (i32.const 4)))
        (local.set $size (i32.load (i32.const 8)))))
    (call $open (local.get $out))
    (call $write (i32.const 64) (i32.const 28))
    (call $write (local.get $path) (local.get $size))
    (call $write (i32.const 92) (i32.const 2))
    (call $close)))
