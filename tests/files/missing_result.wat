;;! validate FILE
(module
  (func $first (block (loop nop)))
  (func $second (result i32)
    block
      nop
    end
  ))
;;| imago: error: FILE:8:3: type mismatch: expected i32, found nothing
;;|   in function second (index 1)
;;| exit 65
