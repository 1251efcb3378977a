;; A library for examples/run_image.c:
;;
;;   imago run --invoke add examples/add.wat 2 40
(module
  (func (export "add") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1))))
