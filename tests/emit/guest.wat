;; A program that shows what it was given: writes its arguments and its environment (each text with
;; its zero), then standard input. Then by the first letter of argument 1: a digit is the exit
;; status, t traps, f writes the file `data` of folder 3; without argument 1 it returns.
(module $guest
  (import "wasi_snapshot_preview1" "args_sizes_get"
    (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get"
    (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 4)
  (global $letter (mut i32) (i32.const 0))
  ;; A table that is constant, and contents of memory that are worth mapping: run.py adds some.
  (table 4 4 funcref)
  (elem (i32.const 0) $return $status $trap $file)
  (type $action (func))
  (data (i32.const 0x100) "data")
  (data (i32.const 0x3000) "begin of" (; much data ;)) ;; a snapshot of the memory
  (data (i32.const 0x6000) "end of another")

  (func $write (param $at i32) (param $bytes i32)
    (i32.store (i32.const 16) (local.get $at))
    (i32.store (i32.const 20) (local.get $bytes))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24))))

  (func $copy (param $fd i32)
    (loop $again
      (i32.store (i32.const 16) (i32.const 0x8000))
      (i32.store (i32.const 20) (i32.const 0x1000))
      (i32.store (i32.const 24) (i32.const 0))
      (drop (call $fd_read (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24)))
      (if (i32.load (i32.const 24))
        (then (call $write (i32.const 0x8000) (i32.load (i32.const 24))) (br $again)))))

  (func $return)
  (func $status (call $proc_exit (i32.sub (global.get $letter) (i32.const 48))))
  (func $trap unreachable)
  (func $file
    (if (call $path_open (i32.const 3) (i32.const 0) (i32.const 0x100) (i32.const 4) (i32.const 0)
          (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 28))
      (then (call $proc_exit (i32.const 44))))
    (call $copy (i32.load (i32.const 28))))

  (func $choose (result i32)
    (if (i32.eqz (global.get $letter)) (then (return (i32.const 0))))
    (if (i32.eq (global.get $letter) (i32.const 116)) (then (return (i32.const 2))))
    (if (i32.eq (global.get $letter) (i32.const 102)) (then (return (i32.const 3))))
    (i32.const 1))

  (func (export "_start")
    (drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
    (drop (call $args_get (i32.const 0x400) (i32.const 0x1000)))
    (drop (call $environ_sizes_get (i32.const 8) (i32.const 12)))
    (drop (call $environ_get (i32.const 0x2000) (i32.const 0x10000)))
    (if (i32.gt_u (i32.load (i32.const 0)) (i32.const 1))
      (then (global.set $letter (i32.load8_u (i32.load (i32.const 0x404))))))
    (call $write (i32.const 0x1000) (i32.load (i32.const 4)))
    (call $write (i32.const 0x10000) (i32.load (i32.const 12)))
    (call $copy (i32.const 0))
    (call $write (i32.const 0x3000) (i32.const 8))
    (call $write (i32.const 0x6000) (i32.const 6))
    (call_indirect (type $action) (call $choose))))
