// SPDX-License-Identifier: MIT

package main

import "time"

// skynetNode sends the sum of its subtree to its parent. The children share a channel with capacity for all of them.
func skynetNode(first, size uint64, parent chan<- uint64) {
	if size == 1 {
		parent <- opaque(first)
		return
	}
	const branches = 10
	part := size / branches
	children := make(chan uint64, branches)
	for i := uint64(0); i < branches; i++ {
		go skynetNode(first+i*part, part, children)
	}
	sum := uint64(0)
	for i := 0; i < branches; i++ {
		sum += <-children
	}
	parent <- sum
}

func skynetTree(leaves uint64) uint64 {
	result := make(chan uint64)
	go skynetNode(0, leaves, result)
	return <-result
}

// fib spawns fib(n - 1) and calls fib(n - 2). Other runtimes await the second one in its own frame; Go uses its stack.
func fib(n uint64) uint64 {
	if n < 2 {
		return opaque(n)
	}
	first := make(chan uint64, 1)
	go func() { first <- fib(n - 1) }()
	second := fib(n - 2)
	return <-first + second
}

func fibTree(n uint64) uint64 {
	result := make(chan uint64)
	go func() { result <- fib(n) }()
	return <-result
}

// The time of a tree of 1,111,111 tasks in milliseconds, measured by main.
func skynet(where flavour) {
	const warmUp, leaves = 10_000, 1_000_000
	check(skynetTree(warmUp) == warmUp*(warmUp-1)/2, "skynet's sum")
	start := time.Now()
	sum := skynetTree(leaves)
	taken := time.Since(start)
	check(sum == leaves*(leaves-1)/2, "skynet's sum")
	report("skynet", where, "ms", milliseconds(taken))
}

// The time of 1,346,268 spawns in milliseconds, measured by main.
func fib30(where flavour) {
	check(fibTree(15) == 610, "the 15th Fibonacci number")
	start := time.Now()
	number := fibTree(30)
	taken := time.Since(start)
	check(number == 832_040, "the 30th Fibonacci number")
	report("fib30", where, "ms", milliseconds(taken))
}
