// Counts words from standard input with a few goroutines and prints the most
// frequent ones, a digest and the sum of a small worker pool. Built for wasip1
// and for the machine itself, both must print the same.
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"math/big"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

type entry struct {
	word  string
	count int
}

// countWords shares the lines out to workers, each with a map of its own.
func countWords(lines []string, workers int) map[string]int {
	parts := make(chan map[string]int, workers)
	var group sync.WaitGroup
	for w := 0; w < workers; w++ {
		group.Add(1)
		go func(first int) {
			defer group.Done()
			counts := map[string]int{}
			for i := first; i < len(lines); i += workers {
				for _, word := range strings.Fields(lines[i]) {
					counts[strings.ToLower(word)]++
				}
			}
			parts <- counts
		}(w)
	}
	group.Wait()
	close(parts)
	total := map[string]int{}
	for counts := range parts {
		for word, n := range counts {
			total[word] += n
		}
	}
	return total
}

func sorted(counts map[string]int) []entry {
	entries := make([]entry, 0, len(counts))
	for word, n := range counts {
		entries = append(entries, entry{word, n})
	}
	sort.Slice(entries, func(i, j int) bool {
		if entries[i].count != entries[j].count {
			return entries[i].count > entries[j].count
		}
		return entries[i].word < entries[j].word
	})
	return entries
}

// squares passes numbers through an unbuffered channel pair: pure scheduling.
func squares(n int) int {
	in, out := make(chan int), make(chan int)
	go func() {
		for i := 1; i <= n; i++ {
			in <- i
		}
		close(in)
	}()
	go func() {
		for i := range in {
			out <- i * i
		}
		close(out)
	}()
	sum := 0
	for s := range out {
		sum += s
	}
	return sum
}

// recovered shows that a nil dereference is a Go panic, not the end of the guest.
func recovered() (message string) {
	defer func() { message = fmt.Sprint(recover()) }()
	var p *entry
	return p.word
}

func main() {
	var lines []string
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	entries := sorted(countWords(lines, 8))
	fmt.Println("lines", len(lines), "words", len(entries), "arguments", os.Args[1:])
	for _, e := range entries[:min(5, len(entries))] {
		fmt.Printf("%6d %s\n", e.count, e.word)
	}
	fmt.Printf("%x\n", sha256.Sum256([]byte(strings.Join(lines, "\n"))))
	fmt.Println("squares", squares(2000))
	fmt.Println("factorial", new(big.Int).MulRange(1, 60))
	start := time.Now()
	time.Sleep(20 * time.Millisecond)
	fmt.Println("slept", time.Since(start) >= 20*time.Millisecond)
	fmt.Println("panic", recovered())
	if len(os.Args) > 1 && os.Args[1] == "fail" {
		os.Exit(3)
	}
}
