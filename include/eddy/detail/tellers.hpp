// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/export.hpp>
#include <eddy/detail/yield_thread.hpp>

namespace eddy::detail {

/// Those who wake many that wait for a thing, and leave its lock between two batches. Whoever destroys the thing waits
/// for them, except for those further down on his own stack, whose wakers have called him: these touch it no more. All
/// of it is under the thing's lock.
class EDDY_API tellers {
public:
    /// On the stack of who wakes.
    class teller {
    public:
        teller() noexcept;
        teller(const teller&) = delete;
        teller& operator=(const teller&) = delete;
        ~teller() = default;

        /// Whether what this one tells of was destroyed by somebody he woke. No lock: only his own thread makes it so.
        [[nodiscard]] bool is_left_behind() const noexcept { return is_left_behind_; }

    private:
        friend class tellers;
        const void* thread_;
        teller* next_ = nullptr;
        bool is_left_behind_ = false;
    };

    tellers() noexcept = default;
    tellers(const tellers&) = delete;
    tellers& operator=(const tellers&) = delete;
    ~tellers() = default;

    void add(teller& one) noexcept;
    void remove(teller& one) noexcept;

    /// With the lock, which it leaves while it waits: none is left when it returns.
    template <class Lock>
    void end(Lock& lock) noexcept {
        leave_own_behind();
        while (first_ != nullptr) {
            lock.unlock();
            yield_thread();
            lock.lock();
        }
    }

private:
    void leave_own_behind() noexcept;

    teller* first_ = nullptr;
};

}  // namespace eddy::detail
