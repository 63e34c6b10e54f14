// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>

namespace eddy {

/// The future that pin() returns: keeps another future at one address, so that it can be moved after its first poll. (A
/// task and a boxed_future can be moved between two polls without this.)
/// Errors: polling a moved-from pinned_future throws `misuse`.
/// Cancel safety: same as the wrapped future.
/// Thread safety: same as the wrapped future.
/// Cost: one block from the frame pool.
template <class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] pinned_future
    : public future_ops<pinned_future<F>> {
public:
    using output_type = output_t<F>;

    /// Moves `inner` to its fixed address.
    explicit pinned_future(F&& inner) : inner_(detail::pool_new<F>(std::move(inner))) {}

    poll_result<output_type> poll(context& cx) {
        if (!inner_)
            throw misuse("a moved-from pinned future was polled: poll the future that it was moved to", cx.where());
        return inner_->poll(cx);
    }

    friend auto awaited_objects(const pinned_future& me) noexcept {
        return detail::awaited_objects_of(static_cast<const F*>(me.inner_.get()));
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&pinned_future::inner_); }

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

/// Gives a future a fixed address, so that it can be kept in a container and moved after its first poll:
/// `std::vector<eddy::pinned_future<F>>`.
/// Lifetime: the future is moved in; use std::ref to borrow it.
/// Cost: one block from the frame pool.
template <class F>
[[nodiscard]] auto pin(F&& future) {
    return detail::make_adaptor<pinned_future<detail::owned_t<F>>>(std::forward<F>(future));
}

}  // namespace eddy
