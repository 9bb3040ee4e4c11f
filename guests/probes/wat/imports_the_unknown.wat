;; Imports an interface that no sandbox offers.
(component
  (import "acme:gpu/device@1.0.0" (instance $gpu (export "launch" (func))))
  (core func $launch (canon lower (func $gpu "launch")))
  (core module $m
    (import "gpu" "launch" (func $launch))
    (func (export "run") (result i32) (call $launch) (i32.const 0)))
  (core instance $i (instantiate $m (with "gpu" (instance (export "launch" (func $launch))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $r)))
