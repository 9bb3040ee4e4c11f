;; Grows each of four tables to 32,768 elements of 8 bytes, 1 MiB in all; fails
;; where one is refused.
(component
  (core module $m
    (table $a 0 funcref) (table $b 0 funcref) (table $c 0 funcref) (table $d 0 funcref)
    (func $grown (param i32) (result i32) (i32.eq (local.get 0) (i32.const -1)))
    (func (export "run") (result i32)
      (i32.or
        (i32.or
          (call $grown (table.grow $a (ref.null func) (i32.const 32768)))
          (call $grown (table.grow $b (ref.null func) (i32.const 32768))))
        (i32.or
          (call $grown (table.grow $c (ref.null func) (i32.const 32768)))
          (call $grown (table.grow $d (ref.null func) (i32.const 32768)))))))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $r)))
