// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/status.hpp>
#include <eddy/io/boxed.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task/task.hpp>

namespace eddy::http {

/// A connection that a server no longer uses for HTTP; see switch_protocols().
/// Thread safety: same as the stream.
struct upgraded_connection {
    io::boxed_stream stream;  ///< the connection: it begins with the first byte after the request
    std::optional<sync::cancellation_token> shutdown;  ///< serve_options::shutdown() of the server

    /// Makes the object from its parts.
    upgraded_connection(io::boxed_stream&& connection, std::optional<sync::cancellation_token> token)
        : stream(std::move(connection)), shutdown(std::move(token)) {}
};

}  // namespace eddy::http

namespace eddy::detail {

/// The protocol that follows a response 101.
class http_upgrade {
public:
    http_upgrade() = default;
    http_upgrade(const http_upgrade&) = delete;
    http_upgrade& operator=(const http_upgrade&) = delete;
    virtual ~http_upgrade() = default;

    [[nodiscard]] virtual task<result<void>> run(http::upgraded_connection connection) = 0;

    std::string asked;  ///< the request, for the report of an error: "GET /path". Set by the server
};

inline task<result<void>> as_result_task(task<result<void>> work) { return work; }
EDDY_API task<result<void>> as_result_task(task<void> work);

template <class F>
class http_upgrade_of final : public http_upgrade {
public:
    explicit http_upgrade_of(F&& next) : next_(std::move(next)) {}

    task<result<void>> run(http::upgraded_connection connection) override {
        return as_result_task(std::invoke(next_, std::move(connection)));
    }

private:
    F next_;
};

}  // namespace eddy::detail

namespace eddy::http {

/// Makes the response 101 Switching Protocols. After the server has sent this response, it passes the connection to
/// `next`. This callable takes an upgraded_connection, and returns a task<void> or a task<result<void>>. The connection
/// is closed when that task ends. Add the fields that the protocol requires, except Upgrade and Connection, to the
/// headers of the response. For WebSockets, use ws::accept().
///     co_return http::switch_protocols("echo", [](http::upgraded_connection c) { return echo(std::move(c.stream)); });
///
/// A server must not switch to a protocol for which the client has not asked. So the client gets 426 Upgrade Required
/// instead, with the name of the protocol, if its request is HTTP/1.0, has no field Upgrade with this protocol, or has
/// no "Connection: Upgrade". With HTTP/2 the client gets 400. `next` is not called then, and nothing is reported.
///
/// The server discards the part of the request's body that the service has not read, because the new protocol begins
/// after the body. The client gets 413, 400 or 408 instead of 101 if that part has more than 256 KiB, or if it cannot
/// be received.
/// Errors: the server answers 500 if `protocol` is empty, and reports a `misuse`, same as an exception of the service.
/// Errors and exceptions of `next` are handled as if the service had them; see serve(). Throws `misuse` if `protocol`
/// contains control characters.
/// Lifetime: owns `next` until its task has ended. A shutdown of the server waits for that task, see
/// net::serve_options::drain(). The task can end itself when upgraded_connection::shutdown is cancelled.
/// Cost: one allocation.
template <class F>
[[nodiscard]] response switch_protocols(std::string_view protocol, F next) {
    using outcome = std::invoke_result_t<F&, upgraded_connection>;
    static_assert(std::same_as<outcome, task<void>> || std::same_as<outcome, task<result<void>>>,
                  "eddy: switch_protocols needs a callable that takes an http::upgraded_connection, and returns a "
                  "task<void> or a task<result<void>>");
    response made(status::switching_protocols);
    made.headers.add("Upgrade", protocol);
    made.upgrade = std::make_shared<detail::http_upgrade_of<F>>(std::move(next));
    return made;
}

}  // namespace eddy::http
