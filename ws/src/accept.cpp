// SPDX-License-Identifier: MIT
#include <eddy/ws/accept.hpp>

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/future/future_ops.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/http/method.hpp>
#include <eddy/sync/cancellation_token.hpp>

#include "handshake.hpp"
#include "message/syntax.hpp"
#include "state.hpp"

namespace eddy::detail {
namespace {

using http::status;

http::response refusal(status why, std::string text) { return http::response::text(std::move(text) + "\n", why); }

http::response upgrade_required(std::string text) {
    auto answer = refusal(status::upgrade_required, std::move(text));
    answer.headers.add("Upgrade", "websocket");
    answer.headers.add("Sec-WebSocket-Version", "13");
    return answer;
}

/// Returns whether a web page of this origin may connect.
bool is_permitted(const http::headers& asked, const ws::options& with) {
    const auto origin = asked.get("Origin");
    if (!origin || with.allows_any_origin()) return true;
    if (asked.count("Origin") != 1) return false;
    const auto is_origin = [&](std::string_view permitted) { return http::equal_names(*origin, permitted); };
    if (std::ranges::any_of(with.origins(), is_origin)) return true;
    const auto scheme = origin->find("://");
    const auto host = asked.get("Host");
    return scheme != std::string_view::npos && host && http::equal_names(origin->substr(scheme + 3), *host);
}

/// Checks a request for a WebSocket (RFC 6455, section 4.2). Returns the response that refuses it, or nullopt if it is
/// valid.
std::optional<http::response> refuse(const http::request& asked, const ws::options& with) {
    const auto& fields = asked.headers;
    if (asked.method != http::method::get || asked.version != http::version::http_1_1)
        return refusal(status::bad_request, "a WebSocket needs GET and HTTP/1.1");
    if (!fields.has_token("Upgrade", "websocket") || !fields.has_token("Connection", "Upgrade"))
        return upgrade_required("this is a WebSocket");
    if (fields.get("Sec-WebSocket-Version") != "13" || fields.count("Sec-WebSocket-Version") != 1)
        return upgrade_required("only version 13 of the WebSocket protocol is supported");
    const auto key = fields.get("Sec-WebSocket-Key");
    if (!key || fields.count("Sec-WebSocket-Key") != 1 || !is_ws_key(*key))
        return refusal(status::bad_request, "Sec-WebSocket-Key is missing or invalid");
    if (asked.body.size() != 0U) return refusal(status::bad_request, "the request for a WebSocket has a body");
    if (!is_permitted(fields, with)) return refusal(status::forbidden, "pages of this origin are not permitted");
    return std::nullopt;
}

/// Returns the first of the server's subprotocols that the client offers; empty if there is none.
std::string_view select_protocol(const http::headers& asked, const ws::options& with) {
    for (const std::string_view each : with.protocols()) {
        for (const auto& [name, value] : asked) {
            if (!http::equal_names(name, "Sec-WebSocket-Protocol")) continue;
            // In contrast to other tokens, these are case-sensitive.
            for (auto list = value; !list.empty();)
                if (trim(take_part(list, ',')) == each) return each;
        }
    }
    return {};
}

/// Polls the handler. At the shutdown of the server, begins to close the connection. Also sends the Close frame,
/// because the handler may neither send nor receive.
class handler_future : public future_ops<handler_future> {
public:
    using output_type = result<void>;

    handler_future(task<result<void>>& work, ws_state& state, const std::optional<sync::cancellation_token>& shutdown)
        : work_(work), state_(state) {
        if (shutdown) told_.emplace(shutdown->cancelled_owned());
    }

    poll_result<output_type> poll(context& cx) {
        if (told_ && told_->poll(cx)) {
            told_.reset();
            state_.start_close(ws::close_code::going_away, "");
            is_closing_ = true;
        }
        auto ended = work_.poll(cx);
        if (!ended && is_closing_) state_.poll_close_frame(cx);
        return ended;
    }
    poll_result<void> poll_cancel(context& cx) { return work_.poll_cancel(cx); }

private:
    task<result<void>>& work_;
    ws_state& state_;
    std::optional<sync::cancellation_token::owned_cancelled_future> told_;
    bool is_closing_ = false;
};

/// A WebSocket of a server: calls the handler, and then closes the connection.
task<result<void>> run_session(std::shared_ptr<ws_handler> handler, http::request asked,
                               std::shared_ptr<ws_state> state, std::optional<sync::cancellation_token> shutdown) {
    result<void> outcome = ok();
    std::exception_ptr thrown;
    try {
        auto work = handler->call(ws::connection(ws_share(state)), std::move(asked));
        handler_future working(work, *state, shutdown);
        outcome = co_await working;
    } catch (...) {
        thrown = std::current_exception();
    }
    const bool has_failed = thrown || (!outcome && !state->has_returned(outcome.error()));
    state->end_handler(has_failed ? ws::close_code::internal_error : ws::close_code::normal);
    auto closing = poll_fn([&state](context& cx) { return state->poll_session_end(cx); });
    co_await closing;
    if (thrown) std::rethrow_exception(thrown);
    if (has_failed) co_return outcome;
    co_return ok();
}

/// A function that starts the session. Called after the response 101 was sent.
class session_starter {
public:
    session_starter(std::shared_ptr<ws_handler> handler, http::request&& asked, const ws_parameters& parameters,
                    std::string&& protocol)
        : handler_(std::move(handler)),
          asked_(std::move(asked)),
          parameters_(parameters),
          protocol_(std::move(protocol)) {}

    task<result<void>> operator()(http::upgraded_connection connection) {
        auto state = std::make_shared<ws_state>(std::move(connection.stream), parameters_, std::move(protocol_));
        return run_session(std::move(handler_), std::move(asked_), std::move(state), std::move(connection.shutdown));
    }

private:
    std::shared_ptr<ws_handler> handler_;
    http::request asked_;
    ws_parameters parameters_;
    std::string protocol_;
};

}  // namespace

http::response ws_accept(http::request&& asked, std::shared_ptr<ws_handler> handler, const ws::options& with) {
    if (auto refused = refuse(asked, with)) return *std::move(refused);
    auto parameters = parameters_of(with, ws_role::server);
    http::headers fields;
    fields.add("Sec-WebSocket-Accept", ws_accept_key(*asked.headers.get("Sec-WebSocket-Key")));
    std::string protocol(select_protocol(asked.headers, with));
    if (!protocol.empty()) fields.add("Sec-WebSocket-Protocol", protocol);
    if (with.compression()) {
        if (const auto agreed = accept_deflate(asked.headers)) {
            parameters.compression = agreed->parameters;
            fields.add("Sec-WebSocket-Extensions", agreed->answer);
        }
    }
    auto answer = http::switch_protocols(
        "websocket", session_starter(std::move(handler), std::move(asked), parameters, std::move(protocol)));
    for (const auto& [name, value] : fields) answer.headers.add(name, value);
    return answer;
}

}  // namespace eddy::detail

namespace eddy::ws {

task<http::response> upgrade_service::operator()(http::request asked) const {
    auto handler = handler_;
    auto answer = detail::ws_accept(std::move(asked), std::move(handler), *options_);
    co_return std::move(answer);
}

}  // namespace eddy::ws
