;; Branches forward become short once the function is complete, and everything behind them moves:
;; branches that cross them, entries of jump tables, instructions that may trap, calls.
(module
  (type $void (func))
  (type $i32 (func (result i32)))
  (memory 1)
  (table 2 funcref)
  (elem (i32.const 0) $seven)
  (func $seven (result i32) (i32.const 7))

  ;; The ways into the loop and out of it cross each other.
  (func (export "cross") (param $n i32) (result i32) (local $sum i32)
    (block $out
      (loop $again
        (block $odd
          (br_if $odd (i32.and (local.get $n) (i32.const 1)))
          (br_if $out (i32.gt_u (local.get $sum) (i32.const 50)))
          (if (i32.eqz (local.get $n))
            (then (br $out))
            (else (local.set $sum (i32.add (local.get $sum) (i32.const 3))))))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if $again (i32.ge_s (local.get $n) (i32.const 0)))))
    (local.get $sum))

  ;; Entries behind branches of their own.
  (func (export "table") (param $n i32) (result i32) (local $x i32)
    (if (i32.gt_u (local.get $n) (i32.const 100)) (then (local.set $x (i32.const 1000))))
    (block $c
      (block $b
        (block $a
          (br_table $a $b $c (local.get $n)))
        (if (i32.load (i32.const 64)) (then (return (i32.const 0))))
        (return (i32.const 10)))
      (if (i32.load (i32.const 64)) (then (return (i32.const 0))))
      (local.set $x (i32.const 20)))
    (i32.add (local.get $x) (i32.const 1)))

  ;; Traps, in line and out of line, and a call between.
  (func (export "traps") (param $n i32) (param $at i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (return (i32.load (local.get $at)))))
    (if (i32.eq (local.get $n) (i32.const 1))
      (then (return (i32.div_s (i32.const 1) (local.get $at)))))
    (if (i32.eq (local.get $n) (i32.const 2))
      (then (return (call_indirect (type $i32) (local.get $at)))))
    (if (i32.eq (local.get $n) (i32.const 3))
      (then (call_indirect (type $void) (local.get $at))))
    (if (i32.eq (local.get $n) (i32.const 4)) (then unreachable))
    (if (i32.eq (local.get $n) (i32.const 5))
      (then (return (i32.div_s (i32.const 0x80000000) (local.get $at)))))
    (i32.trunc_f32_s (f32.div (f32.convert_i32_s (local.get $n)) (f32.convert_i32_s (local.get $at)))))

  ;; Conditions of two flags.
  (func (export "equal") (param $x f64) (param $y f64) (result i32)
    (if (result i32) (f64.eq (local.get $x) (local.get $y))
      (then (i32.const 1))
      (else
        (if (result i32) (f64.ne (local.get $x) (local.get $x))
          (then (i32.const 2))
          (else (i32.const 3)))))))

(assert_return (invoke "cross" (i32.const 10)) (i32.const 15))
(assert_return (invoke "cross" (i32.const 99)) (i32.const 51))
(assert_return (invoke "cross" (i32.const 0)) (i32.const 0))
(assert_return (invoke "table" (i32.const 0)) (i32.const 10))
(assert_return (invoke "table" (i32.const 1)) (i32.const 21))
(assert_return (invoke "table" (i32.const 2)) (i32.const 1))
(assert_return (invoke "table" (i32.const 101)) (i32.const 1001))
(assert_return (invoke "traps" (i32.const 0) (i32.const 65532)) (i32.const 0))
(assert_trap (invoke "traps" (i32.const 0) (i32.const 65533)) "out of bounds memory access")
(assert_return (invoke "traps" (i32.const 1) (i32.const -1)) (i32.const -1))
(assert_trap (invoke "traps" (i32.const 1) (i32.const 0)) "integer divide by zero")
(assert_return (invoke "traps" (i32.const 2) (i32.const 0)) (i32.const 7))
(assert_trap (invoke "traps" (i32.const 2) (i32.const 1)) "uninitialized element")
(assert_trap (invoke "traps" (i32.const 2) (i32.const 2)) "undefined element")
(assert_trap (invoke "traps" (i32.const 3) (i32.const 0)) "indirect call type mismatch")
(assert_trap (invoke "traps" (i32.const 4) (i32.const 0)) "unreachable")
(assert_trap (invoke "traps" (i32.const 5) (i32.const -1)) "integer overflow")
(assert_return (invoke "traps" (i32.const 9) (i32.const 2)) (i32.const 4))
(assert_trap (invoke "traps" (i32.const 9) (i32.const 0)) "integer overflow")
(assert_return (invoke "equal" (f64.const 1) (f64.const 1)) (i32.const 1))
(assert_return (invoke "equal" (f64.const nan) (f64.const 1)) (i32.const 2))
(assert_return (invoke "equal" (f64.const 2) (f64.const 1)) (i32.const 3))
