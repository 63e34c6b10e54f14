// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>

namespace eddy::detail {

/// Tracks active notifiers: notifiers that release the lock of an object between two batches. The object's destructor
/// waits until they are done. The exception is a notifier whose own thread runs the destructor, from one of the wakers
/// that it woke: the notifier cannot end before the destructor. It is marked instead, and no longer uses the object.
/// Thread safety: all calls are under the object's lock.
class EDDY_API active_notifiers : immovable {
public:
    /// An active notifier. Lives on the notifier's stack.
    class active_notifier : immovable {
    public:
        active_notifier() noexcept;

        /// Returns whether a waker that this notifier has woken has destroyed the object. Needs no lock, because only
        /// the notifier's own thread sets the flag.
        [[nodiscard]] bool is_object_gone() const noexcept { return is_object_gone_; }

    private:
        friend class active_notifiers;
        const void* thread_;
        active_notifier* next_ = nullptr;
        bool is_object_gone_ = false;
    };

    /// Adds an active notifier.
    void add(active_notifier& one) noexcept;
    /// Removes an active notifier.
    void remove(active_notifier& one) noexcept;

    /// Waits until there are no active notifiers. Releases `lock`, which the caller holds, while it waits.
    template <class Lock>
    void end(Lock& lock) noexcept {
        abandon_own_thread();
        while (first_ != nullptr) {
            lock.unlock();
            yield_thread();
            lock.lock();
        }
    }

private:
    void abandon_own_thread() noexcept;

    active_notifier* first_ = nullptr;
};

}  // namespace eddy::detail
