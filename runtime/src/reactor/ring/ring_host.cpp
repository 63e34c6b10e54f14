// SPDX-License-Identifier: MIT
#include "reactor/ring/ring_host.hpp"

#include <system_error>
#include <utility>

#include "reactor/ring/ring_support.hpp"
#include "reactor/ring/uring.hpp"

namespace eddy::detail {

ring_host::ring_host() noexcept = default;
ring_host::~ring_host() = default;

result<void> ring_host::create(ring_reactor& owner) noexcept {
    auto made = retry_while_memory_is_short(
        [&] { return uring::make(owner); },
        [](const auto& answer) { return !answer && answer.error() == std::errc::not_enough_memory; });
    if (!made) return std::unexpected(made.error());
    ring_ = std::move(*made);
    return ok();
}

void ring_host::acquire(ring_reactor& owner, int driver_fd, int waker_fd) noexcept {
    if (ring_ == nullptr) {
        auto made = uring::make(owner);
        if (!made) return give_up();
        ring_ = std::move(*made);
    }
    if (!ring_->enable(driver_fd, waker_fd)) return give_up();
    owner_.store(this_thread_mark(), std::memory_order_relaxed);  // relaxed: see own()
}

void ring_host::retire() noexcept {
    if (!ring_->retire()) is_lost_ = true;
    ring_.reset();
    // release: pairs with the acquire in can_be_acquired() and in destroy_unowned().
    owner_.store(nullptr, std::memory_order_release);
}

void ring_host::give_up() noexcept {
    is_given_up_ = true;
    ring_.reset();
}

void ring_host::destroy_unowned() noexcept {
    // acquire: pairs with the release in retire().
    if (owner_.load(std::memory_order_acquire) == nullptr) ring_.reset();
}

}  // namespace eddy::detail
