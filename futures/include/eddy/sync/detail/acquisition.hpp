// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

#include <eddy/error.hpp>
#include <eddy/future/detail/wait_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/sync/detail/semaphore_state.hpp>

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
    acquisition(acquisition&& other) noexcept : from_(other.from_), count_(other.count_), record_(other.record_) {
        if (record_.is_waiting())
            fatal_moved("a future that waits for a mutex, an rwlock, a semaphore or channel capacity",
                        record_.polled_at());
        other.record_.end();
    }
    acquisition& operator=(acquisition&&) = delete;
    ~acquisition() { stop(); }

    /// Tries to acquire the permits, or waits for them. Any result but `not_yet` ends the acquisition.
    /// `what` names the operation in the text of a misuse error.
    [[nodiscard]] acquired poll(context& cx, const char* what) {
        if (!cx.consume_budget()) return acquired::not_yet;
        if (record_.is_fresh()) [[likely]] {
            const acquired answer = from_->try_acquire(count_);
            if (answer != acquired::not_yet) {
                record_.end();
                return answer;
            }
        }
        return poll_slowly(cx, what);
    }

    /// Stops waiting, and passes on permits that were already granted.
    void stop() noexcept {
        if (record_.is_waiting()) [[unlikely]] {
            from_->leave(waiter_);
            std::destroy_at(&waiter_);
        }
        record_.end();
    }
    /// Marks the acquisition as ended. For a future that got its permits in another way at its first poll.
    void end() noexcept { record_.end(); }

    [[nodiscard]] bool is_fresh() const noexcept { return record_.is_fresh(); }
    [[nodiscard]] Count count() const noexcept { return count_; }
    [[nodiscard]] const State* state() const noexcept { return from_; }
    /// The offset of the address of the permits, for readers of the program's memory.
    [[nodiscard]] static constexpr std::uint32_t awaited_word() noexcept { return offset_of(&acquisition::from_); }

private:
    [[gnu::noinline]] acquired poll_slowly(context& cx, const char* what) {
        if (record_.has_ended()) throw_has_ended(what, cx.where());
        const bool is_first = record_.is_fresh();
        if (is_first) std::construct_at(&waiter_)->polled_at = call_site_of(cx.where());
        const acquired answer =
            is_first ? from_->acquire_or_wait(count_, waiter_, cx.waker()) : from_->poll_again(waiter_, cx.waker());
        if (answer == acquired::not_yet) {
            record_.wait(cx);
            cx.refund_budget();
        } else {
            std::destroy_at(&waiter_);
            record_.end();
        }
        return answer;
    }

    State* from_;
    [[no_unique_address]] Count count_;
    wait_record record_;
    union {
        permit_waiter waiter_;  // alive while record_.is_waiting()
    };
};

}  // namespace eddy::detail
