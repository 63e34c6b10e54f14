// SPDX-License-Identifier: MIT
#include "message_share.hpp"

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <new>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/time/clock.hpp>

namespace eddy::detail {

struct message_share::shares {
    using time_point = std::chrono::steady_clock::time_point;

    mutex lock;                         // guards the members below
    std::ptrdiff_t left = most_shared;  // less than 0 if take() has taken more
    waiter_list<message_share> waiting;
    waiter_list<message_share> held;

    void hold(message_share& one, time_point now) noexcept {
        one.state_ = state::held;
        one.used_at_ = now;
        left -= static_cast<std::ptrdiff_t>(one.bytes_);
        held.push_back(one);
    }
    void drop(message_share& one) noexcept {
        if (one.state_ == state::waiting) waiting.remove(one);
        if (one.state_ == state::held) {
            held.remove(one);
            left += static_cast<std::ptrdiff_t>(one.bytes_);
        }
        one.state_ = state::none;
    }
    /// Takes the shares back that nothing uses.
    void take_back(time_point now) noexcept {
        for (auto* one = held.front(); one != nullptr;) {
            auto* const next = static_cast<message_share*>(one->next);  // SAFETY: the list has only shares
            if (now - one->used_at_ >= unused_limit) drop(*one);
            one = next;
        }
    }
    /// Lets those hold their share that have waited longest.
    void grant(time_point now) noexcept {
        for (auto* one = waiting.front(); one != nullptr; one = waiting.front()) {
            if (static_cast<std::ptrdiff_t>(one->bytes_) > left) return;
            waiting.remove(*one);
            hold(*one, now);
        }
    }
};

message_share::shares& message_share::all() noexcept {
    // They are never destroyed, because other threads may release shares while the process exits. They are in static
    // storage, so that the first share needs no allocation.
    alignas(shares) static std::byte storage[sizeof(shares)];
    static shares& made = *::new (storage) shares;
    return made;
}

message_share::~message_share() {
    if (release()) wake_holders();
}

bool message_share::poll_acquire(std::size_t bytes, context& cx) {
    waker mine = cx.waker();  // copied and destroyed without the lock
    waker former;
    is_used_ = true;
    {
        const std::lock_guard guard(all().lock);
        const auto now = std::chrono::steady_clock::now();
        if (state_ == state::none) {
            bytes_ = std::min(bytes, most_shared);
            state_ = state::waiting;
            all().waiting.push_back(*this);
        }
        if (state_ == state::waiting) {
            all().take_back(now);
            all().grant(now);
        }
        used_at_ = now;
        former.swap(wake);
        if (state_ == state::held) return true;
        wake.swap(mine);
    }
    if (this_thread.executor.time == nullptr) return false;  // this thread has no timers
    if (!look_again_) look_again_.reset(pool_new<time::sleep_future>(time::deadline_after(unused_limit)));
    if (look_again_->poll(cx)) {
        look_again_.reset();
        cx.waker().wake_by_ref();  // takes unused shares back
    }
    return false;
}

void message_share::take(std::size_t bytes) noexcept {
    is_used_ = true;
    const std::lock_guard guard(all().lock);
    const auto now = std::chrono::steady_clock::now();
    used_at_ = now;
    if (state_ == state::held) return;
    bytes_ = bytes;
    all().hold(*this, now);
}

bool message_share::release() noexcept {
    if (!std::exchange(is_used_, false)) return false;
    look_again_.reset();
    waker former;  // destroyed without the lock
    const std::lock_guard guard(all().lock);
    all().drop(*this);
    former.swap(wake);
    all().grant(std::chrono::steady_clock::now());
    return true;
}

void message_share::wake_holders() noexcept {
    for (;;) {
        waker next;
        {
            const std::lock_guard guard(all().lock);
            auto* one = all().held.front();
            while (one != nullptr && one->wake.is_noop()) one = static_cast<message_share*>(one->next);
            if (one == nullptr) return;
            next.swap(one->wake);
        }
        std::move(next).wake();
    }
}

}  // namespace eddy::detail
