// SPDX-License-Identifier: MIT

package main

import "sync"

const joinBatch = 1000

// joinOneAtATime reuses the channel, because only one task at a time sends on it.
func joinOneAtATime(tasks int) {
	result := make(chan uint64)
	sum := uint64(0)
	for i := 0; i < tasks; i++ {
		i := uint64(i) // a new variable per iteration, so that only the closure is allocated
		go func() { result <- opaque(i) }()
		sum += <-result
	}
	check(sum == uint64(tasks)*uint64(tasks-1)/2, "each task returns its number")
}

// joinInBatches gives each task an element for its result and waits for all. A channel per task would be slower.
func joinInBatches(batches int) {
	results := make([]uint64, joinBatch)
	sum := uint64(0)
	for round := 0; round < batches; round++ {
		var all sync.WaitGroup
		all.Add(joinBatch)
		for i := range results {
			i := i
			go func() {
				results[i] = opaque(uint64(i))
				all.Done()
			}()
		}
		all.Wait()
		for _, result := range results {
			sum += result
		}
	}
	check(sum == uint64(batches)*(joinBatch*(joinBatch-1)/2), "each task returns its number")
}

// ns per task that is spawned and joined, one at a time.
func spawnJoinOne(where flavour) {
	measure("spawn_join_one", where, 1_000_000, 1_000_000, joinOneAtATime)
}

// The same with 1,000 tasks at a time.
func spawnJoinBatch(where flavour) {
	measure("spawn_join_batch", where, 1000, 1000*joinBatch, joinInBatches)
}
