;; Addresses its memory with 64 bits.
(component
  (core module $m
    (memory i64 1)
    (func (export "run") (result i32) (i32.load (i64.const 0))))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $r)))
