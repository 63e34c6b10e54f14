// SPDX-License-Identifier: MIT

package main

import "time"

const manyTimers = 100_000

func mustNotFire() { check(false, "a long timer does not fire") }

// arm starts a timer. time.NewTimer would not: since Go 1.23 a timer with a channel is not in the timer heap until a
// goroutine blocks on the channel.
func arm(i int) *time.Timer {
	return time.AfterFunc(time.Duration(30_000+i%1000)*time.Millisecond, mustNotFire)
}

func cancel(timer *time.Timer) { check(timer.Stop(), "a long timer is still armed") }

func armAndCancel(count int) {
	for i := 0; i < count; i++ {
		cancel(arm(i))
	}
}

func armMany() []*time.Timer {
	all := make([]*time.Timer, manyTimers)
	for i := range all {
		all[i] = arm(i)
	}
	return all
}

func cancelAll(timers []*time.Timer) {
	for _, timer := range timers {
		cancel(timer)
	}
}

func armManyAndCancel(times int) {
	for i := 0; i < times; i++ {
		cancelAll(armMany())
	}
}

// ns per timer that is armed and canceled, without other timers.
func timerArmCancel(where flavour) {
	measure("timer_arm_cancel", where, 1_000_000, 1_000_000, armAndCancel)
}

// The same while 100,000 other timers stay armed.
func timerArmCancelLive(where flavour) {
	others := armMany()
	measure("timer_arm_cancel_live", where, 1_000_000, 1_000_000, armAndCancel)
	cancelAll(others)
}

// ns per timer if 100,000 are armed and then all are canceled in that order.
func timerArmCancel100k(where flavour) {
	measure("timer_arm_cancel_100k", where, 10, 10*manyTimers, armManyAndCancel)
}
