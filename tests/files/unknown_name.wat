;;! validate FILE
(module
  (func $f
    (call $nowhere)))
;;| imago: error: FILE:4:11: unknown function $nowhere
;;| exit 65
