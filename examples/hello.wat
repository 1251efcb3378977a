;; Hello world on WASI preview1, by hand: one fd_write of one buffer.
;;
;;   imago run examples/hello.wat
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param $fd i32) (param $iovs i32) (param $iovs_count i32) (param $written i32)
      (result i32)))
  (memory (export "memory") 1)

  (data (i32.const 0)  "\10\00\00\00")  ;; the buffer: its address, 16 ...
  (data (i32.const 4)  "\26\00\00\00")  ;; ... and its length, 38
  (data (i32.const 16) "Hello from a mapped WebAssembly image\n")

  (func (export "_start")
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
