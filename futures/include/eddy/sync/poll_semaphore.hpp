// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/future/future.hpp>
#include <eddy/stream/all.hpp>
#include <eddy/sync/semaphore.hpp>

namespace eddy::sync {

/// A semaphore for a hand-written `poll` function. It keeps the place in the queue from one poll to the next. It is
/// also a stream of permits, which ends when the semaphore is closed.
///     poll_result<...> poll(context& cx) {
///         auto permit = limit_.poll_acquire(cx);
///         if (!permit) return not_ready;
/// Cancel safety: a future of the stream that is dropped while it waits keeps the place in the queue for the next poll;
/// stop_waiting() gives it up.
/// Thread safety: one thread at a time. Give each task its own object on a shared semaphore.
/// Lifetime: shares ownership of the semaphore. It must not be moved while it waits.
/// Cost: same as semaphore::acquire_owned(); no allocation.
class EDDY_API poll_semaphore : public stream_ops<poll_semaphore> {
public:
    using item_type = semaphore::owned_permit;

    /// Shares the ownership of `from`.
    /// Errors: throws `misuse` if `from` is null.
    explicit poll_semaphore(std::shared_ptr<semaphore> from,
                            std::source_location where = std::source_location::current());

    /// Returns `count` permits, or nothing if the semaphore is closed. If the pending poll requested a different
    /// `count`, the new request goes to the end of the queue.
    /// Errors: throws `misuse` if `count` is greater than `semaphore::max_permits`.
    poll_result<std::optional<item_type>> poll_acquire(context& cx, std::size_t count = 1);
    /// Same as poll_acquire() with one permit, for the stream operations.
    poll_result<std::optional<item_type>> poll_next(context& cx);

    /// Gives up the place in the queue, if there is one.
    void stop_waiting() noexcept { wait_.reset(); }

    /// Same as the functions of the semaphore of the same names. A poll_semaphore that was moved from is closed and has
    /// no permits.
    void close() const noexcept {
        if (from_ != nullptr) from_->close();
    }
    [[nodiscard]] bool is_closed() const noexcept { return from_ == nullptr || from_->is_closed(); }
    [[nodiscard]] std::size_t available_permits() const noexcept {
        return from_ == nullptr ? 0 : from_->available_permits();
    }
    /// Returns the semaphore.
    [[nodiscard]] const std::shared_ptr<semaphore>& shared() const noexcept { return from_; }

    static constexpr auto wait_shape() { return inspect::waits_as(&poll_semaphore::wait_); }

private:
    std::shared_ptr<semaphore> from_;
    std::optional<semaphore::acquire_owned_future> wait_;
    std::size_t count_ = 0;
};

}  // namespace eddy::sync
