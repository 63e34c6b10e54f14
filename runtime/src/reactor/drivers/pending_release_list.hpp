// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <mutex>
#include <utility>

#include <eddy/detail/atomic.hpp>

#include "reactor/source/scheduled_io.hpp"

namespace eddy::detail {

/// The sources that were removed while a driver tick might be dispatching their events. They stay allocated until the
/// next tick begins. The list has a reference to each source; its links are source_link::next.
class pending_release_list {
public:
    /// Adds a source that is in no other list, and takes over a reference. Returns how many sources are there now. The
    /// caller holds the lock of the source_set.
    std::size_t add(scheduled_io& source) noexcept {
        source.next = std::exchange(newest_, &source);
        // relaxed: written under the lock. A tick that misses the value without the lock sees it next time.
        const std::size_t count = count_.load(std::memory_order_relaxed) + 1;
        count_.store(count, std::memory_order_relaxed);
        return count;
    }
    /// Releases all sources. Call it only between two ticks. `lock` is the lock of the source_set.
    void release_all(mutex& lock) noexcept {
        // relaxed: see add().
        if (count_.load(std::memory_order_relaxed) == 0) return;
        source_link* left = nullptr;
        {
            const std::lock_guard guard(lock);
            left = std::exchange(newest_, nullptr);
            count_.store(0, std::memory_order_relaxed);
        }
        while (left != nullptr) {
            // SAFETY: add() only takes scheduled_io objects, each with a reference.
            auto& source = static_cast<scheduled_io&>(*std::exchange(left, left->next));
            source.release();
        }
    }

private:
    source_link* newest_ = nullptr;
    // Written under the lock, and read without it, so that a tick without removals takes no lock.
    atomic<std::size_t> count_{0};
};

}  // namespace eddy::detail
