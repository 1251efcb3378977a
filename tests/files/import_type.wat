;;! run FILE
(module
  (import "wasi_snapshot_preview1" "sched_yield" (func (param i32) (result i64)))
  (func (export "_start")))
;;| imago: error: FILE: incompatible import type: "wasi_snapshot_preview1"."sched_yield": expected (i32) -> (i64), found () -> (i32)
;;| exit 65
