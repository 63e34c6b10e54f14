// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/detail/pool_box.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

namespace eddy {

/// A future that keeps another at one address, and so may be moved after it has been polled: see `pin`.
/// (A task and a boxed_future may be moved between two polls as they are.)
/// Cancel safety, thread safety: those of the future inside.
/// Cost: one block of the frame pool.
template <class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] pinned_future
    : public future_ops<pinned_future<F>> {
public:
    using output_type = output_t<F>;
    static constexpr bool took_closure = detail::is_marked<F>;

    explicit pinned_future(F&& inner) : inner_(detail::make_pool_box<F>(std::move(inner))) {}

    poll_result<output_type> poll(context& cx) {
        if (!inner_)
            throw misuse("a pinned future was polled that was moved from: poll the one it moved to", cx.where());
        return inner_->poll(cx);
    }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        if (!detail::poll_cancel_child(inner_.get(), cx)) return not_ready;
        inner_.reset();
        return poll_result<void>::ready();
    }

private:
    detail::pool_box<F> inner_;
};

/// Gives a future a fixed address, so that it can be kept in a container and moved although it has begun:
/// `std::vector<eddy::pinned_future<F>>`.
template <class F>
[[nodiscard]] auto pin(F&& future) {
    if constexpr (!detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        return pinned_future<detail::owned_t<F>>(detail::own(std::forward<F>(future)));
    }
}

}  // namespace eddy
