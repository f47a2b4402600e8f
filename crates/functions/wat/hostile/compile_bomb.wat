;; Small to carry, and endless to compile: thousands of blocks, each of which may set any of thousands of variables, so that
;; the compiler follows each variable through each block.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    ;; include bomb
  ))
