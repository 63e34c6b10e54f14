// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <utility>

#include <eddy/future/waker.hpp>

namespace support {

/// Creates wakers that call a function whenever they are cloned, woken or dropped. So a test deadlocks if the tested
/// code clones, wakes or drops a waker while it holds a lock that the function needs. Not thread-safe. A
/// reentrant_waker must outlive its wakers.
class reentrant_waker {
public:
    explicit reentrant_waker(std::function<void()> callback) : callback_(std::move(callback)) {}
    reentrant_waker(const reentrant_waker&) = delete;
    reentrant_waker& operator=(const reentrant_waker&) = delete;

    [[nodiscard]] eddy::waker waker() noexcept { return {&vtable, this}; }
    /// Returns the number of calls of the function.
    [[nodiscard]] int calls() const noexcept { return calls_; }

private:
    static void call_back(void* data) noexcept {
        // SAFETY: `data` is the reentrant_waker that made the waker, and outlives it.
        auto& self = *static_cast<reentrant_waker*>(data);
        if (std::exchange(self.is_inside_, true)) return;  // the function may clone, wake and drop the waker in turn
        ++self.calls_;
        self.callback_();
        self.is_inside_ = false;
    }
    static void* clone(void* data) noexcept {
        call_back(data);
        return data;
    }

    static constexpr eddy::waker_vtable vtable{&clone, &call_back, &call_back, &call_back};

    std::function<void()> callback_;
    bool is_inside_ = false;
    int calls_ = 0;
};

}  // namespace support
