;; Lists the configuration of the function, `key=value` a line.
(module
  (import "wasi:config/store@0.2.0-rc.1" "get-all" (func $all (param i32)))
  ;; include answer
  (data (i32.const 64) "=\n")
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (local $entry i32)
    (local $left i32)
    (call $all (i32.const 0))
    (if (i32.load8_u (i32.const 0)) (then unreachable))
    (local.set $entry (i32.load (i32.const 4)))
    (local.set $left (i32.load (i32.const 8)))
    (call $open (local.get $out))
    (block $end
      (loop $more
        (br_if $end (i32.eqz (local.get $left)))
        (call $write (i32.load (local.get $entry)) (i32.load offset=4 (local.get $entry)))
        (call $write (i32.const 64) (i32.const 1))
        (call $write (i32.load offset=8 (local.get $entry)) (i32.load offset=12 (local.get $entry)))
        (call $write (i32.const 65) (i32.const 1))
        (local.set $entry (i32.add (local.get $entry) (i32.const 16)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $more)))
    (call $close)))
