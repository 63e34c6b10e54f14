// SPDX-License-Identifier: MIT
#include <eddy/sync/poll_semaphore.hpp>

#include <utility>

#include <eddy/error.hpp>

namespace eddy::sync {

poll_semaphore::poll_semaphore(std::shared_ptr<semaphore> from, std::source_location where) : from_(std::move(from)) {
    if (from_ == nullptr)
        throw misuse("a poll_semaphore needs a semaphore: make one with std::make_shared<semaphore>(n)", where);
}

poll_result<std::optional<semaphore::owned_permit>> poll_semaphore::poll_acquire(context& cx, std::size_t count) {
    if (wait_ && count_ != count) wait_.reset();
    if (!wait_) {
        wait_.emplace(semaphore::acquire_owned(from_, count, cx.where()));
        count_ = count;
    }
    auto answer = wait_->poll(cx);
    if (!answer) return not_ready;
    wait_.reset();
    if (!*answer) return std::optional<item_type>();
    return std::optional<item_type>(std::move(**answer));
}

poll_result<std::optional<semaphore::owned_permit>> poll_semaphore::poll_next(context& cx) { return poll_acquire(cx); }

}  // namespace eddy::sync
