// SPDX-License-Identifier: MIT

package main

import "fmt"

const mpscMessages = 1_000_000

func produce(to chan<- uint64, first, count int) {
	for i := first; i < first+count; i++ {
		to <- uint64(i)
	}
}

// passOn sends count messages in total from several goroutines to one, which knows their number.
func passOn(producers, count int) {
	channel := make(chan uint64, 128)
	result := make(chan uint64)
	go func() {
		sum := uint64(0)
		for i := 0; i < count; i++ {
			sum += <-channel
		}
		result <- sum
	}()
	each := count / producers
	for i := 0; i < producers; i++ {
		go produce(channel, i*each, each)
	}
	check(<-result == uint64(count)*uint64(count-1)/2, "each message arrives")
}

// ns per message over a channel of capacity 128, including the start of the goroutines.
func mpscBounded(producers int) func(flavour) {
	return func(where flavour) {
		measure(fmt.Sprintf("mpsc_bounded_p%d", producers), where, mpscMessages, mpscMessages,
			func(times int) { passOn(producers, times) })
	}
}
