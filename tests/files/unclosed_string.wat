;;! validate FILE
(module
  (func (export "f)))
;;| imago: error: FILE:3:17: unclosed string
;;| exit 65
