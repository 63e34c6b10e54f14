// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/upgrade.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>
#include <eddy/ws/connection.hpp>
#include <eddy/ws/options.hpp>

namespace eddy::detail {

/// The interface behind the handlers of WebSockets.
class ws_handler {
public:
    ws_handler() = default;
    ws_handler(const ws_handler&) = delete;
    ws_handler& operator=(const ws_handler&) = delete;
    virtual ~ws_handler() = default;

    [[nodiscard]] virtual task<result<void>> call(ws::connection socket, http::request&& asked) = 0;
};

template <class T>
concept ends_ws_handler = std::same_as<T, task<void>> || std::same_as<T, task<result<void>>>;

template <class F>
constexpr bool fits_ws_handler() {
    if constexpr (std::is_invocable_v<F&, ws::connection, http::request>) {
        return ends_ws_handler<std::invoke_result_t<F&, ws::connection, http::request>>;
    } else if constexpr (std::is_invocable_v<F&, ws::connection>) {
        return ends_ws_handler<std::invoke_result_t<F&, ws::connection>>;
    } else {
        return false;
    }
}

template <class F>
class ws_handler_of final : public ws_handler {
public:
    template <class G>
    explicit ws_handler_of(std::in_place_t, G&& function) : function_(std::forward<G>(function)) {}

    task<result<void>> call(ws::connection socket, http::request&& asked) override {
        if constexpr (std::is_invocable_v<F&, ws::connection, http::request>) {
            return as_result_task(std::invoke(function_, std::move(socket), std::move(asked)));
        } else {
            return as_result_task(std::invoke(function_, std::move(socket)));
        }
    }

private:
    F function_;
};

template <class F>
std::shared_ptr<ws_handler> make_ws_handler(F&& function) {
    using kept = std::decay_t<F>;
    constexpr bool fits = fits_ws_handler<kept>();
    static_assert(fits,
                  "eddy: a handler of WebSockets takes a ws::connection, or a ws::connection and an http::request, and "
                  "returns a task<void> or a task<result<void>>");
    if constexpr (fits) {
        return std::make_shared<ws_handler_of<kept>>(std::in_place, std::forward<F>(function));
    } else {
        return nullptr;
    }
}

[[nodiscard]] EDDY_API http::response ws_accept(http::request&& asked, std::shared_ptr<ws_handler> handler,
                                                const ws::options& with);

}  // namespace eddy::detail

namespace eddy::ws {

/// Accepts the request of a client for a WebSocket: returns the response 101, after which the server calls `handler`
/// with the connection. `handler` takes a ws::connection, or a ws::connection and the http::request, and returns a
/// task<void> or a task<result<void>>.
///     task<http::response> chat_service(http::request asked) {
///         if (!is_known_user(asked)) co_return http::response(http::status::forbidden);
///         co_return ws::accept(std::move(asked), chat);
///     }
/// If the request does not ask for a WebSocket, returns the response that RFC 6455 requires: 400 or 426. The request of
/// a web page of another origin gets 403; see options::allow_origin(). `handler` is not called in these cases.
///
/// When `handler` has ended, the connection is closed: with close_code::normal, or internal_error if it returned an
/// error of its own or threw. Errors of the connection that receive() and send() have returned are not errors of the
/// handler. At the shutdown of the server, the client gets the code going_away, even if the handler neither sends nor
/// receives. Then receive() returns ws::errc::closed, or errc::timed_out if the client does not answer.
///
/// The request needs HTTP/1.1.
/// Errors: errors and exceptions of `handler` are handled as if the service had them; see http::serve().
/// Lifetime: owns `handler` until its task has ended. Parts of the connection that the handler has moved elsewhere
/// return ws::errc::closed afterwards.
template <class F>
[[nodiscard]] http::response accept(http::request asked, F&& handler, const options& with = options()) {
    return detail::ws_accept(std::move(asked), detail::make_ws_handler(std::forward<F>(handler)), with);
}

/// The service that service() makes.
/// Thread safety: any thread, if the handler may be called on any thread.
/// Lifetime: owns the handler. Copies share it.
class EDDY_API upgrade_service {
public:
    upgrade_service(std::shared_ptr<detail::ws_handler> handler, options&& with)
        : handler_(std::move(handler)), options_(std::make_shared<const options>(std::move(with))) {}

    /// Answers a request; see accept().
    task<http::response> operator()(http::request asked) const;

private:
    std::shared_ptr<detail::ws_handler> handler_;
    std::shared_ptr<const options> options_;
};

/// Makes an HTTP service that calls accept() for each request: `app.get("/chat", ws::service(chat))`.
template <class F>
[[nodiscard]] upgrade_service service(F&& handler, options with = options()) {
    return upgrade_service(detail::make_ws_handler(std::forward<F>(handler)), std::move(with));
}

}  // namespace eddy::ws
