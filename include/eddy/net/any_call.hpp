// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/net/reading.hpp>
#include <eddy/net/socket_readiness.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

template <class T>
inline constexpr bool is_system_result = false;
template <class T>
inline constexpr bool is_system_result<result<T>> = true;

template <class Operation>
constexpr bool check_operation() {
    constexpr bool answers = is_system_result<std::invoke_result_t<Operation&>>;
    static_assert(answers, "eddy: a call on a socket must return an eddy::result<T>");
    return answers;
}

}  // namespace eddy::detail

namespace eddy::net {

/// Calls a function until it does not say that it would block: see any_call::async_io().
template <class Operation, bool Marked>
class [[nodiscard("co_await it")]] async_io_future : public future_ops<async_io_future<Operation, Marked>> {
public:
    using output_type = std::invoke_result_t<Operation&>;
    static constexpr bool took_closure = Marked;

    template <class F>
    async_io_future(detail::io_socket& socket, io::interest wanted, F&& operation)
        : socket_(&socket), wanted_(wanted), operation_(std::forward<F>(operation)) {}

    poll_result<output_type> poll(context& cx) {
        for (;;) {
            // Each round, since what is closed stays ready: a call that would block all the same must not hold the thread.
            if (!cx.consume_budget()) return not_ready;
            if (!readiness_) {
                auto answer = socket_->try_io(wanted_, operation_);
                if (answer || answer.error() != std::errc::operation_would_block) return answer;
                readiness_.emplace(*socket_, wanted_);
            }
            const auto ready = readiness_->poll(cx);
            if (!ready) {
                cx.refund_budget();
                return not_ready;
            }
            if (!*ready) return output_type(std::unexpect, ready->error());
            readiness_.reset();
        }
    }

private:
    detail::io_socket* socket_;
    io::interest wanted_;
    Operation operation_;
    std::optional<socket_readiness> readiness_;
};

/// What takes any call on its descriptor, one that the library does not have: sockets, and the ends of a pipe.
///     auto sent = co_await socket.async_io(interest::writable, [&] { return send_with_descriptors(socket.native_handle()); });
/// `operation` returns a `result`, and operation_would_block while it has to wait.
/// On a TCP connection that is registered with a loop on io_uring (from its first read, write or wait on, and if connect() made
/// it, from the start) `wanted` has to be writable alone: what was written before is sent first. Its bytes to be read may be in
/// the ring, so that a call would find others first, or none.
/// Errors, of both: those of `operation`; errc::runtime_shutdown; operation_not_supported as said above.
template <class Self>
class any_call {
public:
    /// Calls it once. If it would block, the socket counts as not ready for what is `wanted` until it is told otherwise.
    template <class Operation>
    auto try_io(io::interest wanted, Operation&& operation) {
        if constexpr (detail::check_operation<Operation>()) {
            return detail::socket_access::get(static_cast<Self&>(*this)).try_io(wanted, operation);
        }
    }
    /// Calls it until it does not say that it would block, and waits in between.
    /// Cancel safety: safe, if a call that would block has done nothing. Any number of tasks may wait.
    template <class Operation>
    [[nodiscard]] auto async_io(io::interest wanted, Operation&& operation) {
        if constexpr (detail::check_operation<Operation>()) {
            using future = async_io_future<std::decay_t<Operation>, detail::is_fragile<Operation>>;
            return future(detail::socket_access::get(static_cast<Self&>(*this)), wanted,
                          std::forward<Operation>(operation));
        } else {
            return detail::broken_future();
        }
    }
};

}  // namespace eddy::net
