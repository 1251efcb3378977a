;;! validate FILE
(module
  (global $g i32 (i32.const 1))
  (func (export "set") (global.set $g (i32.const 2))))
;;| imago: error: FILE:4:25: global is immutable
;;|   in function set (index 0)
;;| exit 65
