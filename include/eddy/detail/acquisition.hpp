// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include <eddy/detail/semaphore_state.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>

namespace eddy::detail {

/// A permit count that is always 1 and takes no space in a future.
using one_permit = std::integral_constant<std::size_t, 1>;

/// The waiting part of a future that acquires permits. Most acquisitions never wait, so the waiter is constructed only
/// when the first poll() finds too few permits.
/// Cancel safety: safe. Permits that were granted but not yet reported by poll() go to the next waiter.
/// Lifetime: the state must outlive this object, which must not move while it waits.
template <class State, class Count = std::size_t>
class acquisition {
public:
    acquisition(State* from, Count count) noexcept : from_(from), count_(count) {}
    acquisition(acquisition&& other) noexcept : from_(other.from_), count_(other.count_), phase_(other.phase_) {
        if (phase_ == phase::waits)
            fatal_misuse(
                "a future that waits for a mutex, an rwlock, a semaphore or channel capacity was moved after its first "
                "poll: keep it where it is");
        other.phase_ = phase::ended;
    }
    acquisition& operator=(acquisition&&) = delete;
    ~acquisition() { stop(); }

    /// Tries to acquire the permits, or waits for them. Any result but `not_yet` ends the acquisition.
    /// `what` names the operation in the text of a misuse error.
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

    /// Stops waiting, and passes on permits that were already granted.
    void stop() noexcept {
        if (phase_ == phase::waits) [[unlikely]] {
            from_->leave(waiter_);
            std::destroy_at(&waiter_);
        }
        phase_ = phase::ended;
    }
    /// Marks the acquisition as ended. For a future that got its permits in another way at its first poll.
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
        permit_waiter waiter_;  // alive while phase_ == phase::waits
    };
};

}  // namespace eddy::detail
