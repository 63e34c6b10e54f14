// SPDX-License-Identifier: MIT
#include "server/server_exchange.hpp"

#include <cstddef>
#include <mutex>

#include <eddy/http/status.hpp>

#include "message/fields.hpp"

namespace eddy::detail {
namespace {

bool is_short(const http::body& of) noexcept {
    return of.in_memory() != nullptr && of.in_memory()->size() < body_sender::most_unsent;
}

}  // namespace

void server_exchange::add_upgrade() {
    for (const auto& [field, value] : engine.request().headers)
        if (http::equal_names(field, "Upgrade")) call.upgrade.append(call.upgrade.empty() ? "" : ",").append(value);
}

void server_exchange::end_body() noexcept {
    incoming->detach();
    body_failure = incoming->failure();
    incoming.reset();
}

std::error_code server_exchange::failure_of_body() const { return incoming ? incoming->failure() : body_failure; }

void server_exchange::answer_failure() {
    call.answer_failure(failure_of_body());
    engine.close();
}

bool server_exchange::keep_failure(std::error_code why) {
    if (why && !is_of_client(why, failure_of_body())) failure = why;
    return call.thrown || failure;
}

void server_exchange::hold(const http::serve_options& options, const std::optional<net::socket_addr>& peer) {
    const auto& body = call.answer().body;
    if (is_short(body)) return;
    if (const auto size = body_access::held_bytes(body); size != 0) call.hold(options, size, 0, peer);
}

void server_exchange::write(std::string& out) {
    auto& answer = call.answer();
    if (answer.status == http::status::reset_content) answer.body = http::body();
    const auto guard = begin_response();
    engine.write_head(out, answer);
    if (is_short(answer.body)) {
        engine.write_data(out, answer.body.in_memory()->text());
        engine.write_end(out);
    }
    if (engine.sends_body()) sender.emplace();
}

/// Returns whether the body of the request may be read while the response is sent. The response's body may be that of
/// the request.
bool server_exchange::may_be_read() noexcept {
    const auto& answer = call.answer();
    if (answer.body.in_memory() != nullptr || body_access::file(answer.body) != nullptr ||
        has_no_body(http::to_int(answer.status), call.name.method()))
        return false;
    return incoming.use_count() != 1;  // the only other owner is the body that the service has got
}

std::unique_lock<mutex> server_exchange::begin_response() {
    if (!incoming) return {};
    if (may_be_read()) {
        auto guard = incoming->guard();
        incoming->begin_response();
        return guard;
    }
    detach();
    // Too much of the body is unread, so the connection will be closed. The response announces that, so that the client
    // sends no further request on it.
    if (body_failure || engine.announced() > most_discarded) engine.close();
    return {};
}

}  // namespace eddy::detail
