;; Adds a header of 8 KiB to one set of headers, over and over.
(module
  ;; include answer
  (data (i32.const 64) "x-large")
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (local $fields i32)
    (local.set $fields (call $fields))
    (memory.fill (i32.const 65536) (i32.const 120) (i32.const 8192))
    (loop $more
      (call $append (local.get $fields) (i32.const 64) (i32.const 7) (i32.const 65536) (i32.const 8192) (i32.const 0))
      (br $more))))
