// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include <eddy/detail/semaphore_state.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>

namespace eddy::detail {

/// A count of permits that is always 1, and needs no memory.
using one_permit = std::integral_constant<std::size_t, 1>;

/// The waiting part of a future that takes permits. What it was given and has not told of goes on to the next.
/// Most never wait: so the waiter begins when they do.
template <class State, class Count = std::size_t>
class acquisition {
public:
    acquisition(State* from, Count count) noexcept : from_(from), count_(count) {}
    acquisition(acquisition&& other) noexcept : from_(other.from_), count_(other.count_), phase_(other.phase_) {
        if (phase_ == phase::waits)
            fatal_misuse(
                "a future that waits for a mutex, an rwlock, a semaphore or room in a channel was moved after its "
                "first poll: keep it where it is");
        other.phase_ = phase::ended;
    }
    acquisition& operator=(acquisition&&) = delete;
    ~acquisition() { stop(); }

    /// Once it has answered, it is over. `what` is the operation, for the text of misuse.
    [[nodiscard]] acquired poll(context& cx, const char* what) {
        if (!cx.consume_budget()) return acquired::not_yet;
        if (phase_ == phase::fresh) [[likely]] {
            const acquired answer = from_->try_acquire(count_);
            if (answer != acquired::not_yet) {
                phase_ = phase::ended;
                return answer;
            }
        }
        return poll_slowly(cx, what);
    }

    /// Waits no more.
    void stop() noexcept {
        if (phase_ == phase::waits) [[unlikely]] {
            from_->leave(waiter_);
            std::destroy_at(&waiter_);
        }
        phase_ = phase::ended;
    }
    /// For one that got what it wants in another way, at its first poll.
    void end() noexcept { phase_ = phase::ended; }

    [[nodiscard]] bool is_fresh() const noexcept { return phase_ == phase::fresh; }
    [[nodiscard]] Count count() const noexcept { return count_; }

private:
    enum class phase : std::uint8_t { fresh, waits, ended };

    [[gnu::noinline]] acquired poll_slowly(context& cx, const char* what) {
        if (phase_ == phase::ended) throw_has_ended(what, cx.where());
        const bool is_first = phase_ == phase::fresh;
        if (is_first) std::construct_at(&waiter_);
        const acquired answer =
            is_first ? from_->acquire_or_wait(count_, waiter_, cx.waker()) : from_->poll_again(waiter_, cx.waker());
        if (answer == acquired::not_yet) {
            phase_ = phase::waits;
            cx.refund_budget();
        } else {
            std::destroy_at(&waiter_);
            phase_ = phase::ended;
        }
        return answer;
    }

    State* from_;
    [[no_unique_address]] Count count_;
    phase phase_ = phase::fresh;
    union {
        permit_waiter waiter_;  // while it waits
    };
};

}  // namespace eddy::detail
