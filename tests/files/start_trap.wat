;;! run FILE
(module $starter
  (func $begin (unreachable))
  (start $begin)
  (func (export "_start")))
;;| imago: error: FILE: trap: unreachable
;;|   #0 begin (starter+0x27)
;;| exit 134
