;;! stdout: old name\n
;;! dir: /d
;;! file: /d/file 0123456789
;;! exit: 9
;; The older module: its seek origins and file attributes are laid out differently.
(module
  (import "wasi_unstable" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_filestat_get" (func $fd_filestat_get (param i32 i32) (result i32)))
  (import "wasi_unstable" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_unstable" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\09\00\00\00")
  (data (i32.const 16) "old name\n")
  (data (i32.const 32) "file")
  (func $check (param $is_good i32)
    (if (i32.eqz (local.get $is_good)) (then unreachable)))
  (func (export "_start")
    (local $fd i32)
    (call $check (i32.eqz
      (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64))))
    (call $check (i32.eqz
      (call $path_open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 4) (i32.const 0)
        (i64.const 0x20000e) (i64.const 0) (i32.const 0) (i32.const 64))))
    (local.set $fd (i32.load (i32.const 64)))
    ;; 0 is the current position, 1 the end, 2 the start
    (call $check (i32.eqz
      (call $fd_seek (local.get $fd) (i64.const 4) (i32.const 2) (i32.const 128))))
    (call $check (i32.eqz
      (call $fd_seek (local.get $fd) (i64.const -1) (i32.const 0) (i32.const 128))))
    (call $check (i64.eq (i64.load (i32.const 128)) (i64.const 3)))
    (call $check (i32.eqz
      (call $fd_seek (local.get $fd) (i64.const -3) (i32.const 1) (i32.const 128))))
    (call $check (i64.eq (i64.load (i32.const 128)) (i64.const 7)))
    ;; link count at 20, size at 24
    (call $check (i32.eqz (call $fd_filestat_get (local.get $fd) (i32.const 256))))
    (call $check (i32.eq (i32.load (i32.const 276)) (i32.const 1)))
    (call $check (i64.eq (i64.load (i32.const 280)) (i64.const 10)))
    (call $proc_exit (i32.const 9))))
