;;! run --invoke all FILE
(module
  (func (export "all") (result i32 i64 f32 f64 funcref externref)
    (i32.const -1) (i64.const 0x8000000000000000) (f32.const 0.1) (f64.const 1e300)
    (ref.null func) (ref.null extern)))
;;| -1
;;| -9223372036854775808
;;| 0.1
;;| 1e+300
;;| null
;;| null
;;| exit 0
