;;! validate FILE
(module
  (func (block (br 7))))
;;| imago: error: FILE:3:17: unknown label 7: there are 2
;;|   in function with index 0
;;| exit 65
