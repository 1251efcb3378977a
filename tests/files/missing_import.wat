;;! run FILE
(module
  (import "env" "missing" (func (param i32) (result i64)))
  (func (export "_start")))
;;| imago: error: FILE: unknown import: "env"."missing" (function)
;;| exit 65
