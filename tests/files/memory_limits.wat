;;! validate FILE
(module (memory 2 1))
;;| imago: error: FILE: size minimum must not be greater than maximum, found 2 and 1
;;| exit 65
