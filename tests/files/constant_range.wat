;;! wat2wasm FILE -o /dev/null
(module
  (func
    (drop (i32.const 0x1_0000_0000))))
;;| imago: error: FILE:4:22: constant out of range: 0x1_0000_0000
;;| exit 65
