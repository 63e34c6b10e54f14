// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/future.hpp>
#include <eddy/net/listener.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::net {

/// The options of a proxy_listener.
class proxy_listener_options {
public:
    /// A function that is told of each connection that is closed because of its header: the address of the proxy, and
    /// the error. It must not throw.
    using refused_handler = std::function<void(const socket_addr& proxy, const std::error_code& error)>;

    /// Limits the time in which the header of a connection must arrive. 5 seconds by default.
    proxy_listener_options& header_timeout(std::chrono::nanoseconds limit) noexcept {
        header_timeout_ = limit;
        return *this;
    }
    /// Limits how many connections may be without their whole header at the same time; further ones wait in the queue
    /// of the socket. 1,024 by default. 0 is treated as 1.
    proxy_listener_options& max_pending(std::size_t most) noexcept {
        max_pending_ = most == 0 ? 1 : most;
        return *this;
    }
    /// Sets the function that is told of refused connections. By default, the first one is printed to stderr.
    proxy_listener_options& on_refused(refused_handler handler) {
        on_refused_ = std::move(handler);
        return *this;
    }

    /// Return the settings.
    [[nodiscard]] std::chrono::nanoseconds header_timeout() const noexcept { return header_timeout_; }
    [[nodiscard]] std::size_t max_pending() const noexcept { return max_pending_; }
    [[nodiscard]] const refused_handler& on_refused() const noexcept { return on_refused_; }

private:
    std::chrono::nanoseconds header_timeout_ = std::chrono::seconds(5);
    std::size_t max_pending_ = 1024;
    refused_handler on_refused_;
};

/// A listener behind a load balancer that sends the PROXY protocol, version 1 or 2 (HAProxy's `send-proxy` and
/// `send-proxy-v2`, and many others). Its connections begin after that header, and their `peer` is the client instead
/// of the load balancer. It is a `listener`, for serve() and http::serve():
///     auto behind = net::proxy_listener(std::move(listener));
///     co_await try_(http::serve(std::move(behind), app));
/// A connection that the load balancer opens for itself, a health check, keeps the address of the load balancer. One
/// without a header is closed, because any client could pretend to be another one otherwise: only the load balancer may
/// be able to connect to this listener.
///
/// The specification: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
/// Thread safety, lifetime: same as tcp_listener.
/// Cost: reading a header takes two or three system calls in version 2, and about 20 in version 1, whose length is not
/// known before its end. An allocation for each connection.
class EDDY_API proxy_listener {
public:
    /// The type of an accepted connection.
    using accepted_type = accepted;

    /// Takes ownership of a listener.
    explicit proxy_listener(tcp_listener from, proxy_listener_options options = proxy_listener_options());
    proxy_listener(proxy_listener&&) noexcept;
    proxy_listener& operator=(proxy_listener&&) noexcept;
    ~proxy_listener();

    /// Returns the next connection whose header has arrived. Headers of several connections are read at the same time,
    /// while this function is polled.
    /// Errors: same as tcp_listener::accept(). Only the last task that polled is woken.
    poll_result<result<accepted>> poll_accept(context& cx);
    /// Same as poll_accept(), as a future.
    /// Errors: same as tcp_listener::accept().
    /// Cancel safety: safe. No connection is lost.
    /// Lifetime: the future borrows the listener.
    task<result<accepted>> accept();
    /// Returns the address that the socket is bound to.
    /// Errors: see getsockname(2).
    [[nodiscard]] result<socket_addr> local_addr() const;

private:
    class state;
    std::unique_ptr<state> state_;
};

}  // namespace eddy::net
