// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <eddy/detail/atomic.hpp>

#include "trace/trace_event.hpp"

namespace eddy::trace {

/// The last events of one writer. A new event overwrites the oldest one. Another thread, or a signal handler, may read
/// them meanwhile, and gets whole events only.
///
///     word             written                                    read
///     slot's two words before head_ is: release, so that a        acquire: a reader that sees a word of the event
///                      reader of the word sees the head_ before   n sees a head_ of n or more afterwards
///     head_            n + 1 after the event n: release           first: acquire, so that the events below it are
///     whole.
///                                                                 Last: relaxed, since the words were acquired
///
/// The event n is in the slot n % capacity. While head_ is n, the writer may be in the middle of the event n. So a
/// reader that has copied slots, and then reads n from head_, keeps the events above n - capacity.
///
/// Thread safety: one writer at a time, whose writes are ordered by the program; any number of readers.
class event_ring {
public:
    /// `capacity` is a power of two.
    explicit event_ring(std::size_t capacity) : mask_(capacity - 1), slots_(std::make_unique<slot[]>(capacity)) {}

    /// Adds an event.
    /// Cost: three stores.
    void record(const event& one) noexcept {
        const std::uint64_t number = head_.load(std::memory_order_relaxed);  // relaxed: only the writer changes it
        slot& into = slots_[number & mask_];
        into.subject.store(one.subject, std::memory_order_release);
        into.word.store(one.word, std::memory_order_release);
        head_.store(number + 1, std::memory_order_release);
    }

    /// The number of events of all time.
    [[nodiscard]] std::uint64_t recorded() const noexcept { return head_.load(std::memory_order_acquire); }
    /// The number of events that the ring can keep.
    [[nodiscard]] std::size_t capacity() const noexcept { return mask_ + 1; }

    /// Copies events into `into`: the event `next`, and those after it up to the event `end`. Sets `next` to the event
    /// after them. Returns the copies, without those that were overwritten.
    /// Preconditions: `next` < `end`, and `end` <= recorded().
    [[nodiscard]] std::span<const event> copy(std::uint64_t& next, std::uint64_t end,
                                              std::span<event> into) const noexcept {
        const std::size_t count = std::min<std::uint64_t>(into.size(), end - next);
        for (std::size_t i = 0; i < count; ++i) {
            const slot& from = slots_[(next + i) & mask_];
            into[i] = {from.subject.load(std::memory_order_acquire), from.word.load(std::memory_order_acquire)};
        }
        const std::uint64_t begun = head_.load(std::memory_order_relaxed);
        const std::uint64_t oldest = begun < capacity() ? 0 : begun - capacity() + 1;
        const std::size_t overwritten = oldest <= next ? 0 : std::min<std::uint64_t>(count, oldest - next);
        next += count;
        return into.first(count).subspan(overwritten);
    }

private:
    struct slot {
        detail::atomic<std::uint64_t> subject{0};
        detail::atomic<std::uint64_t> word{0};
    };

    const std::uint64_t mask_;
    const std::unique_ptr<slot[]> slots_;
    detail::atomic<std::uint64_t> head_{0};
};

}  // namespace eddy::trace
