// SPDX-License-Identifier: MIT

package main

import (
	"runtime"
	"sync"
)

type counter struct {
	sync.Mutex
	value uint64
}

func (shared *counter) countUp(times int) {
	for i := 0; i < times; i++ {
		shared.Lock()
		shared.value++
		shared.Unlock()
	}
}

func (shared *counter) countUpAndYield(times int) {
	for i := 0; i < times; i++ {
		shared.Lock()
		shared.value++
		runtime.Gosched()
		shared.Unlock()
	}
}

func countAlone(times int) {
	shared := new(counter)
	shared.countUp(times)
	check(shared.value == uint64(times), "each increment is counted")
}

// countByFour runs four goroutines that count to times together.
func countByFour(countUp func(*counter, int)) func(int) {
	return func(times int) {
		shared := new(counter)
		var all sync.WaitGroup
		all.Add(4)
		for i := 0; i < 4; i++ {
			go func() {
				countUp(shared, times/4)
				all.Done()
			}()
		}
		all.Wait()
		check(shared.value == uint64(times), "each increment is counted")
	}
}

// ns per lock and unlock by one goroutine.
func mutexUncontended(where flavour) {
	measure("mutex_uncontended", where, 5_000_000, 5_000_000, countAlone)
}

// The same by four goroutines.
func mutexFour(where flavour) {
	measure("mutex_4", where, 1_000_000, 1_000_000, countByFour((*counter).countUp))
}

// The same by four goroutines that yield while they hold the lock.
func mutexFourYield(where flavour) {
	measure("mutex_4_yield", where, 400_000, 400_000, countByFour((*counter).countUpAndYield))
}
