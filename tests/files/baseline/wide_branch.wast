;; A branch with more than eight operands stores them; a constant below its block is not stored on
;; the other ways to the block's end.
(module
  (func (export "if") (param $c i32) (result i32)
    (i32.const 5)
    (block (result i32 i32 i32 i32 i32 i32 i32 i32 i32)
      (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6)
      (i32.const 7) (i32.const 8) (i32.const 9)
      (block
        (br_if 0 (local.get $c))
        (i32.const 11) (i32.const 12) (i32.const 13) (i32.const 14) (i32.const 15) (i32.const 16)
        (i32.const 17) (i32.const 18) (i32.const 19)
        (br_if 1 (i32.eqz (local.get $c)))
        drop drop drop drop drop drop drop drop drop))
    i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add))
(assert_return (invoke "if" (i32.const 0)) (i32.const 140))
(assert_return (invoke "if" (i32.const 1)) (i32.const 50))
(assert_return (invoke "if" (i32.const 2)) (i32.const 50))
