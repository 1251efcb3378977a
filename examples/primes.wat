;; Prints the primes below a limit, ten to a line, then how many there are:
;; a sieve in linear memory, numbers turned to text by hand, one write at the end.
;;
;;   imago run examples/primes.wat
;;   imago run examples/primes.wat --invoke count 1000000
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  (memory (export "memory") 2)
  (global $limit i32 (i32.const 500))     ;; what _start lists
  (global $text i32 (i32.const 16))       ;; output is gathered here ...
  (global $end (mut i32) (i32.const 16))  ;; ... up to here
  (global $sieve i32 (i32.const 65536))   ;; one byte a number: 1 = composite

  ;; Marks the composites below $limit, growing the memory if it is too small.
  (func $mark (param $limit i32)
    (local $i i32) (local $j i32) (local $missing i32)
    (local.set $missing
      (i32.sub
        (i32.shr_u (i32.add (i32.add (global.get $sieve) (local.get $limit)) (i32.const 65535))
                   (i32.const 16))
        (memory.size)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then
        (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1))
          (then (unreachable)))))
    (memory.fill (global.get $sieve) (i32.const 0) (local.get $limit))
    (local.set $i (i32.const 2))
    (block $done
      (loop $next
        (br_if $done
          (i64.ge_u (i64.mul (i64.extend_i32_u (local.get $i)) (i64.extend_i32_u (local.get $i)))
                    (i64.extend_i32_u (local.get $limit))))
        (if (i32.eqz (i32.load8_u (i32.add (global.get $sieve) (local.get $i))))
          (then
            (local.set $j (i32.mul (local.get $i) (local.get $i)))
            (loop $multiples
              (i32.store8 (i32.add (global.get $sieve) (local.get $j)) (i32.const 1))
              (local.set $j (i32.add (local.get $j) (local.get $i)))
              (br_if $multiples (i32.lt_u (local.get $j) (local.get $limit))))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next))))

  ;; How many primes there are below $limit.
  (func $count (export "count") (param $limit i32) (result i32)
    (local $i i32) (local $found i32)
    (if (i32.lt_u (local.get $limit) (i32.const 3))
      (then (return (i32.const 0))))
    (call $mark (local.get $limit))
    (local.set $i (i32.const 2))
    (loop $next
      (local.set $found
        (i32.add (local.get $found)
                 (i32.eqz (i32.load8_u (i32.add (global.get $sieve) (local.get $i))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $limit))))
    (local.get $found))

  (func $put_char (param $char i32)
    (i32.store8 (global.get $end) (local.get $char))
    (global.set $end (i32.add (global.get $end) (i32.const 1))))

  ;; The decimal digits of $n: the leading ones first, by calling itself.
  (func $put_number (param $n i32)
    (if (i32.ge_u (local.get $n) (i32.const 10))
      (then (call $put_number (i32.div_u (local.get $n) (i32.const 10)))))
    (call $put_char (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10)))))

  ;; $n right-aligned in a column of 5.
  (func $put_column (param $n i32)
    (local $power i32)
    (local.set $power (i32.const 10000))
    (loop $pad
      (if (i32.lt_u (local.get $n) (local.get $power))
        (then (call $put_char (i32.const 32))))
      (local.set $power (i32.div_u (local.get $power) (i32.const 10)))
      (br_if $pad (i32.gt_u (local.get $power) (i32.const 1))))
    (call $put_number (local.get $n)))

  (func $flush
    (i32.store (i32.const 0) (global.get $text))
    (i32.store (i32.const 4) (i32.sub (global.get $end) (global.get $text)))
    (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
      (then (call $proc_exit (i32.const 74))))
    (global.set $end (global.get $text)))

  (func (export "_start")
    (local $i i32) (local $total i32) (local $column i32)
    (local.set $total (call $count (global.get $limit)))
    (local.set $i (i32.const 2))
    (loop $next
      (if (i32.eqz (i32.load8_u (i32.add (global.get $sieve) (local.get $i))))
        (then
          (call $put_column (local.get $i))
          (local.set $column (i32.add (local.get $column) (i32.const 1)))
          (if (i32.eqz (i32.rem_u (local.get $column) (i32.const 10)))
            (then (call $put_char (i32.const 10))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (global.get $limit))))
    (if (i32.rem_u (local.get $column) (i32.const 10))
      (then (call $put_char (i32.const 10))))
    (call $put_number (local.get $total))
    (call $put_char (i32.const 10))
    (call $flush)))
