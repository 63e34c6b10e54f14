// SPDX-License-Identifier: MIT
#include <eddy/http/client.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/http/url.hpp>
#include <eddy/runtime/core_handle.hpp>
#include <eddy/time/timeout.hpp>

#include "http/client_connect.hpp"
#include "http/client_exchange.hpp"
#include "http/client_pool.hpp"
#include "http/gzip.hpp"

namespace eddy::inline v0_1::http {

using detail::client_connection;
using detail::client_exchange;
using detail::client_progress;
using detail::http_client;

namespace {

/// The maximum size of a redirect's body that is read so that its connection can be used again.
constexpr std::size_t most_discarded = 64 * 1024;

/// Returns a copy of a request. The copy has no body if the body of `from` is not in memory.
request copy_of(const request& from) {
    request copy(from.method, from.target);
    copy.headers = from.headers;
    if (const auto* const content = from.body.in_memory()) copy.body = body(*content);
    return copy;
}

bool is_idempotent(method what) noexcept { return what != method::post && what != method::patch; }

/// Returns a kept connection that the server has not closed, or null.
task<std::unique_ptr<client_connection>> take_open(http_client& shared, std::string origin) {
    for (;;) {
        auto kept = shared.take(origin);
        if (!kept) co_return nullptr;
        // A server has nothing to send before a request. So readable input is the end of the connection, or an error
        // response such as 408.
        auto check =
            poll_fn([&kept](context& cx) { return poll_result<bool>(!kept->stream.poll_fill_idle(cx).is_ready()); });
        const bool is_open = co_await check;
        if (is_open) co_return std::move(kept);
    }
}

/// Returns the key of the kept connections to an origin. Each event loop has connections of its own, because a socket
/// is awaited in the loop in which it was made.
std::string pool_key(const url& to) {
    std::string key = (to.is_https() ? "s" : "p") + to.authority();
    if (const auto loop = core_handle::try_current()) key += "/" + std::to_string(loop->id());
    return key;
}

/// Sends a request once, and returns the response. Sets `was_stale` if that failed because a kept connection was
/// closed.
task<result<response>> send_once(std::shared_ptr<http_client> shared, const url& to, request asked, bool may_use_kept,
                                 client_progress& at, bool& was_stale) {
    const std::string origin = pool_key(to);
    std::unique_ptr<client_connection> connection;
    if (may_use_kept) connection = co_await take_open(*shared, origin);
    const bool is_kept = connection != nullptr;
    if (!connection) connection = co_await try_(detail::connect_client(*shared, to, at));
    at.where = connection->address;
    const auto exchange = std::make_shared<client_exchange>(std::move(connection), std::move(shared), origin,
                                                            std::move(asked), to.authority());
    auto waiting = poll_fn([&](context& cx) {
        auto head = exchange->poll_head(cx);
        at.phase = exchange->is_sent() ? phase::receive : phase::send;
        return head;
    });
    const auto head = co_await waiting;
    if (head) co_return exchange->take_response();
    was_stale = is_kept && !exchange->has_received();
    co_return std::unexpected(head.error());
}

/// Sends a request, and repeats it if a kept connection was closed and the request may be repeated.
task<result<response>> send_safely(std::shared_ptr<http_client> shared, const url& to, request asked,
                                   client_progress& at) {
    bool was_stale = false;
    if (asked.body.in_memory() == nullptr || !is_idempotent(asked.method))
        co_return co_await send_once(std::move(shared), to, std::move(asked), true, at, was_stale);
    auto answer = co_await send_once(shared, to, copy_of(asked), true, at, was_stale);
    if (answer || !was_stale) co_return answer;
    co_return co_await send_once(std::move(shared), to, std::move(asked), false, at, was_stale);
}

bool is_redirect(status code) noexcept {
    switch (code) {
    case status::moved_permanently:
    case status::found:
    case status::see_other:
    case status::temporary_redirect:
    case status::permanent_redirect: return true;
    default: return false;
    }
}

bool repeats_request(status code) noexcept {
    return code == status::temporary_redirect || code == status::permanent_redirect;
}

/// Changes a request for the redirect with the status `code` from one URL to another.
void redirect(request& asked, status code, const url& from, const url& to) {
    if (!repeats_request(code) && asked.method != method::head) {
        if (asked.method != method::get) {
            for (const char* const name : {"Content-Encoding", "Content-Language", "Content-Location", "Content-Type"})
                asked.headers.remove(name);
            asked.body = body();
        }
        asked.method = method::get;
    }
    asked.headers.remove("Host");
    if (from.has_same_origin(to)) return;
    asked.headers.remove("Authorization");
    asked.headers.remove("Cookie");
}

task<void> discard_body(response& from) { static_cast<void>(co_await from.body.read_all(most_discarded)); }

/// Sends a request and follows redirects. Stores in `at` the current step, for errors.
task<result<response>> follow(std::shared_ptr<http_client> shared, std::string where, request asked,
                              client_progress& at) {
    at.where = where;
    auto to = co_await try_(url::parse(where));
    const auto most = shared->options().max_redirects();
    for (unsigned redirects = 0;; ++redirects) {
        asked.target = to.target();
        const bool is_repeatable = asked.body.in_memory() != nullptr;
        auto again = copy_of(asked);
        auto answer = co_await try_(send_safely(shared, to, std::move(asked), at));
        const auto location = answer.headers.get("Location");
        if (!is_redirect(answer.status) || !location || most == 0) co_return std::move(answer);
        if (!is_repeatable && repeats_request(answer.status)) co_return std::move(answer);
        at.phase = phase::url;
        at.where = *location;
        if (redirects == most) co_return std::unexpected(make_error_code(errc::too_many_redirects));
        auto next = co_await try_(to.resolve(*location));
        redirect(again, answer.status, to, next);
        co_await discard_body(answer);
        asked = std::move(again);
        to = std::move(next);
    }
}

/// Returns whether the client asks for a compressed response on its own. The caller of the library gets the bytes as
/// they are if it has set Accept-Encoding, or if it requests a range, which is one of the compressed bytes.
bool may_decompress(const request& asked, std::uint64_t most) noexcept {
    return detail::has_gzip() && most != 0 && asked.method != method::head &&
           !asked.headers.contains("Accept-Encoding") && !asked.headers.contains("Range");
}

void decompress(response& answer, std::uint64_t most) {
    const auto coding = answer.headers.get("Content-Encoding");
    if (!coding || answer.body.size() == 0U) return;
    if (!equal_names(*coding, "gzip") && !equal_names(*coding, "x-gzip")) return;
    answer.headers.remove("Content-Encoding");
    answer.headers.remove("Content-Length");
    answer.body = body::from_source(detail::gunzip_source(std::move(answer.body), most), std::nullopt);
}

task<std::expected<response, client_error>> send_with(std::shared_ptr<http_client> shared, std::string where,
                                                      request asked) {
    client_progress at;
    if (!asked.headers.contains("User-Agent")) asked.headers.add("User-Agent", "eddy");
    const auto most = shared->options().decompressed_limit();
    const bool decompresses = may_decompress(asked, most);
    if (decompresses) asked.headers.add("Accept-Encoding", "gzip");
    const auto limit = shared->options().timeout();
    auto limited = time::timeout(limit, follow(std::move(shared), std::move(where), std::move(asked), at));
    auto answer = co_await limited;
    if (!answer) co_return std::unexpected(at.failed(make_error_code(eddy::errc::timed_out)));
    if (!*answer) co_return std::unexpected(at.failed(answer->error()));
    if (decompresses) decompress(**answer, most);
    co_return **std::move(answer);
}

request with_body(method what, std::string_view type, body&& content) {
    request made(what, "/");
    made.headers.add("Content-Type", type);
    made.body = std::move(content);
    return made;
}

}  // namespace

std::string client_error::message() const {
    const auto what = [this]() -> std::string_view {
        switch (phase_) {
        case phase::url: return "cannot request ";
        case phase::resolve: return "cannot look up ";
        case phase::connect: return "cannot connect to ";
        case phase::tls: return "no TLS connection to ";
        case phase::send: return "cannot send the request to ";
        case phase::receive: break;
        }
        return "no response from ";
    };
    return std::string(what()) + where_ + ": " + code_.message();
}

client::client(client_options options) : shared_(std::make_shared<http_client>(std::move(options))) {}

task<std::expected<response, client_error>> client::send(std::string url, request asked) const {
    return send_with(shared_, std::move(url), std::move(asked));
}

task<std::expected<response, client_error>> client::get(std::string url) const {
    return send_with(shared_, std::move(url), request(method::get, "/"));
}

task<std::expected<response, client_error>> client::post(std::string url, std::string type, http::body content) const {
    return send_with(shared_, std::move(url), with_body(method::post, type, std::move(content)));
}

task<std::expected<response, client_error>> client::put(std::string url, std::string type, http::body content) const {
    return send_with(shared_, std::move(url), with_body(method::put, type, std::move(content)));
}

task<std::expected<response, client_error>> client::patch(std::string url, std::string type, http::body content) const {
    return send_with(shared_, std::move(url), with_body(method::patch, type, std::move(content)));
}

task<std::expected<response, client_error>> client::del(std::string url) const {
    return send_with(shared_, std::move(url), request(method::delete_, "/"));
}

task<std::expected<response, client_error>> get(std::string url, client_options options) {
    return client(std::move(options)).get(std::move(url));
}

}  // namespace eddy::http
