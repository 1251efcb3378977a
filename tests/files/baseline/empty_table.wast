;; A private table without entries: every call through it is of an undefined element.
(module
  (type $t (func))
  (table 0 funcref)
  (func (export "call") (param i32) (call_indirect (type $t) (local.get 0))))
(assert_trap (invoke "call" (i32.const 0)) "undefined element")
(assert_trap (invoke "call" (i32.const -1)) "undefined element")
