;; Throws an exception.
(component
  (core module $m
    (tag $t)
    (func (export "run") (result i32) (throw $t)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $r)))
