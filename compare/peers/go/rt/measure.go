// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"sort"
	"syscall"
	"time"
	"unsafe"
)

// flavour determines the number of threads that run goroutines.
type flavour struct {
	name       string
	processors int
}

var (
	ct = flavour{"ct", 1}
	w2 = flavour{"w2", 2}
)

func report(metric string, where flavour, unit string, value float64) {
	fmt.Printf("%s/%s,%s,%.3f\n", metric, where.name, unit, value)
}

// reportPercentiles prints the median and the 99th percentile of times, in microseconds.
func reportPercentiles(metric string, where flavour, times []time.Duration) {
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	for _, percent := range []int{50, 99} {
		at := times[len(times)*percent/100]
		report(fmt.Sprintf("%s_p%d", metric, percent), where, "us", float64(at)/1e3)
	}
}

// check exits the program with a message if a result is wrong.
func check(isRight bool, otherwise string) {
	if !isRight {
		fmt.Fprintln(os.Stderr, "wrong result:", otherwise)
		os.Exit(134)
	}
}

// opaque returns value, but the compiler cannot know it.
//
//go:noinline
func opaque(value uint64) uint64 { return value }

// measure runs body(times / 10) to warm up, then measures body(times), in a goroutine that main waits for. It reports
// the nanoseconds per operation.
func measure(metric string, where flavour, times, operations int, body func(times int)) {
	result := make(chan time.Duration)
	go func() {
		body(times / 10)
		start := time.Now()
		body(times)
		result <- time.Since(start)
	}()
	report(metric, where, "ns", float64(<-result)/float64(operations))
}

func milliseconds(taken time.Duration) float64 { return float64(taken) / 1e6 }

// cpuTime returns the processor time of the process. The resolution of getrusage is too low.
func cpuTime() time.Duration {
	const clockProcessCputimeID = 2 // clock_gettime(2)
	var now syscall.Timespec
	_, _, failed := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockProcessCputimeID, uintptr(unsafe.Pointer(&now)), 0)
	check(failed == 0, "the clock of the processor time cannot be read")
	return time.Duration(now.Nano())
}

// contextSwitches returns the number of voluntary and involuntary context switches of the process.
func contextSwitches() int64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil, "getrusage failed")
	return usage.Nvcsw + usage.Nivcsw
}

// residentBytes returns the resident memory of the process.
func residentBytes() uint64 {
	var size, resident uint64
	statm, err := os.ReadFile("/proc/self/statm")
	check(err == nil, "/proc/self/statm could not be read")
	_, err = fmt.Sscan(string(statm), &size, &resident)
	check(err == nil, "/proc/self/statm has an unknown format")
	return resident * uint64(os.Getpagesize())
}
