;;! validate FILE
(module
  (func $lonely (drop)))
;;| imago: error: FILE:3:18: type mismatch: expected an operand, found nothing
;;|   in function lonely (index 0)
;;| exit 65
