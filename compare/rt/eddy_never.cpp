// SPDX-License-Identifier: MIT
#include "never.hpp"

#include <atomic>
#include <mutex>

namespace bench::rt {

namespace {

std::mutex waiting_lock;
constinit std::atomic<std::uint64_t> started = 0;

/// The head of the circular list of waiting futures.
never& waiting() {
    // The list is never destroyed, because a runtime may outlive static objects.
    static never& head = *new never;
    return head;
}

}  // namespace

eddy::poll_result<void> never::poll(eddy::context& cx) {
    const std::scoped_lock lock(waiting_lock);
    waker_ = cx.waker();
    if (previous_ != nullptr) return eddy::not_ready;
    never& head = waiting();
    if (head.previous_ == nullptr) head.previous_ = head.next_ = &head;
    previous_ = head.previous_;
    next_ = &head;
    previous_->next_ = this;
    head.previous_ = this;
    return eddy::not_ready;
}

never::~never() {
    if (previous_ == nullptr) return;
    const std::scoped_lock lock(waiting_lock);
    previous_->next_ = next_;
    next_->previous_ = previous_;
}

eddy::task<void> park() {
    started.fetch_add(1, std::memory_order_release);  // pairs with the acquire in parked()
    co_await never();
}

std::uint64_t parked() noexcept { return started.load(std::memory_order_acquire); }

}  // namespace bench::rt
