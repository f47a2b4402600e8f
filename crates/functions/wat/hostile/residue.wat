;; Leaves a mark in its memory, and says whether an earlier request left one.
(module
  ;; include answer
  (data (i32.const 64) "fresh\nstale\n")
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (local $mark i32)
    (local.set $mark (i32.load (i32.const 100000)))
    (i32.store (i32.const 100000) (i32.const 1))
    (call $open (local.get $out))
    (call $write (select (i32.const 70) (i32.const 64) (local.get $mark)) (i32.const 6))
    (call $close)))
