;;! validate FILE
(module
  (func $first)
  (func $second (param i32) (result i64)
    (i64.add (i64.const 1) (local.get 0))))
;;| imago: error: FILE:5:6: type mismatch: expected i64, found i32
;;|   in function second (index 1)
;;| exit 65
