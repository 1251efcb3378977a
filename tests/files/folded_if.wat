;;! validate FILE
(module
  (func (export "choose") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then
        (i32.const 1))
      (else
        (f32.const 2)))))
;;| imago: error: FILE:8:23: type mismatch: expected i32, found f32
;;|   in function choose (index 0)
;;| exit 65
