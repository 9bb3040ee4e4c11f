;; Grows each of four memories to 4 MiB; fails where one is refused.
(component
  (core module $m
    (memory $a 1) (memory $b 1) (memory $c 1) (memory $d 1)
    (func $grown (param i32) (result i32) (i32.eq (local.get 0) (i32.const -1)))
    (func (export "run") (result i32)
      (i32.or
        (i32.or
          (call $grown (memory.grow $a (i32.const 63)))
          (call $grown (memory.grow $b (i32.const 63))))
        (i32.or
          (call $grown (memory.grow $c (i32.const 63)))
          (call $grown (memory.grow $d (i32.const 63)))))))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $r)))
