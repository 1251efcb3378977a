;;! validate FILE
(module
  (memory 1)
  (func $fine)
  (data (i64.const 0) "x"))
;;| imago: error: FILE: type mismatch: expected i32, found i64
;;| exit 65
