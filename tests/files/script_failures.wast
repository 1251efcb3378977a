;;! wast FILE
(module
  (func (export "one") (result i32) (i32.const 1))
  (func (export "trap") (unreachable))
  (func (export "nan") (result f32) (f32.const nan:0x200000)))
(assert_return (invoke "one") (i32.const 2))
(assert_return (invoke "one") (i64.const 1))
(assert_return (invoke "nan") (f32.const nan:canonical))
(assert_return (invoke "nan") (f32.const nan:0x200001))
(assert_return (invoke "trap"))
(assert_return (invoke "nowhere"))
(assert_trap (invoke "one") "unreachable")
(assert_invalid (module (func)) "type mismatch")
(assert_malformed (module quote "") "unexpected token")
(assert_unlinkable (module (import "spectest" "print" (func))) "unknown import")
;;| FILE:6: one: expected i32 2, came i32 1
;;| FILE:7: one: expected i64 1, came i32 1
;;| FILE:8: nan: expected f32 nan:canonical, came f32 nan (0x7fa00000)
;;| FILE:9: nan: expected f32 nan (0x7fa00001), came f32 nan (0x7fa00000)
;;| FILE:10: trap: expected nothing, came trap: unreachable
;;| FILE:11: nowhere: expected nothing, came there is no such export
;;| FILE:12: one: expected trap "unreachable", came i32 1
;;| FILE:13: expected invalid "type mismatch", came a valid module
;;| FILE:14: expected malformed "unexpected token", came a valid module
;;| FILE:15: expected link error "unknown import", came an instance
;;| 0 passed, 10 failed, 0 skipped
;;| exit 1
