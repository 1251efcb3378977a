;; Functions that call each other, without tables and constants, which would be out of reach.
(module
  (func $a (export "a") (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (i32.const 1))
      (else (i32.add (i32.const 10) (call $c (i32.sub (local.get 0) (i32.const 1)))))))
  (func $b (export "b") (param i32) (result i32)
    (i32.add (call $a (local.get 0)) (call $c (local.get 0))))
  (func $c (export "c") (param i32) (result i32)
    (if (i32.eq (local.get 0) (i32.const 99)) (then unreachable))
    (if (result i32) (i32.eqz (local.get 0))
      (then (i32.const 2))
      (else (i32.add (i32.const 100) (call $a (i32.sub (local.get 0) (i32.const 1))))))))
