;; Answers without end.
(module
  ;; include answer
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (call $open (local.get $out))
    (loop $forever
      (call $write (i32.const 65536) (i32.const 4096))
      (br $forever))))
