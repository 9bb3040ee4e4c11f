;; Imports what sends HTTP requests, and calls it. The function's true type
;; takes a request of many fields; a host that refuses it never looks.
(component
  (import "wasi:http/outgoing-handler@0.2.0" (instance $http (export "handle" (func))))
  (core func $handle (canon lower (func $http "handle")))
  (core module $m
    (import "http" "handle" (func $handle))
    (func (export "run") (result i32) (call $handle) (i32.const 0)))
  (core instance $i (instantiate $m (with "http" (instance (export "handle" (func $handle))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $r)))
