;;! validate FILE
(module
  (func (export "twice"))
  (func (export "twice")))
;;| imago: error: FILE: duplicate export name "twice"
;;| exit 65
