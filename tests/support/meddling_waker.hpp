// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <utility>

#include <eddy/waker.hpp>

namespace support {

/// A waker that calls back whenever it is cloned, woken or dropped: whoever does that under a lock which the call needs, hangs.
/// For one thread. It must outlive its wakers.
class meddling_waker {
public:
    explicit meddling_waker(std::function<void()> does) : does_(std::move(does)) {}
    meddling_waker(const meddling_waker&) = delete;
    meddling_waker& operator=(const meddling_waker&) = delete;

    [[nodiscard]] eddy::waker waker() noexcept { return {&vtable, this}; }
    /// How often it was called back.
    [[nodiscard]] int calls() const noexcept { return calls_; }

private:
    static void meddle(void* data) noexcept {
        // SAFETY: `data` is the meddling_waker that made the waker, and outlives it.
        auto& self = *static_cast<meddling_waker*>(data);
        if (std::exchange(self.is_meddling_, true)) return;  // what it does may clone, wake and drop it in turn
        ++self.calls_;
        self.does_();
        self.is_meddling_ = false;
    }
    static void* clone(void* data) noexcept {
        meddle(data);
        return data;
    }

    static constexpr eddy::waker_vtable vtable{&clone, &meddle, &meddle, &meddle};

    std::function<void()> does_;
    bool is_meddling_ = false;
    int calls_ = 0;
};

}  // namespace support
