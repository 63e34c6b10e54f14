// SPDX-License-Identifier: MIT
#include <eddy/http/client.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include "client/connect.hpp"
#include "client/http1_exchange.hpp"
#include "client/request_cookies.hpp"
#include "client/request_retries.hpp"
#include "h2/http2.hpp"
#include "message/coding.hpp"
#include "message/syntax.hpp"

namespace eddy::http {

using detail::client_connection;
using detail::client_destination;
using detail::client_exchange;
using detail::client_progress;
using detail::client_protocols;
using detail::client_route;
using detail::http1_exchange;
using detail::http_client;
using detail::repeat;

namespace {

/// The maximum size of a redirect's body that is discarded so that its connection can be used again.
constexpr std::size_t most_discarded = 64 * 1024;

/// The maximum number of times that a request is sent if servers do not process it.
constexpr unsigned most_attempts = 4;

/// Returns a copy of a request. The copy has no body if the body of `from` is not in memory.
request copy_of(const request& from) {
    request copy(from.method, from.target);
    copy.headers = from.headers;
    if (const auto* const content = from.body.in_memory()) copy.body = body(*content);
    return copy;
}

/// Returns a kept connection that the server has not closed, or null.
task<std::unique_ptr<client_connection>> take_open(http_client& shared, std::string origin) {
    for (;;) {
        auto kept = shared.take(origin);
        if (!kept) co_return nullptr;
        // A server has nothing to send before a request. So readable input is the end of the connection, or an error
        // response such as 408. The first check finds what the driver or TLS has received. The second one finds what
        // is still in the socket, and was not reported because this thread was busy. A task without coop budget must
        // look too: what TLS has decrypted, or the driver has received, is not seen by the second check.
        auto check = poll_fn([&kept](context& cx) {
            context own(cx.waker());
            const bool is_silent = !kept->stream.poll_fill_idle(own).is_ready();
            return poll_result<bool>(is_silent && kept->is_quiet());
        });
        const bool is_open = co_await check;
        if (is_open) co_return std::move(kept);
        kept->end();
    }
}

/// Returns the key of the kept connections to an origin, or to the proxy that forwards requests. Each event loop has
/// connections of its own, because a socket is awaited in the loop in which it was made.
std::string pool_key(const client_destination& to) {
    std::string key = (to.url().is_https() ? "s" : "p") + to.url().authority();
    if (to.is_forwarded()) key = "f" + detail::host_with_port(to.proxy().host, to.proxy().port);
    return key + detail::pool_key_of_loop();
}

/// Returns a kept connection to the origin, or an empty route.
task<client_route> take_kept(http_client& shared, const std::string& origin) {
    client_route found;
    found.shared = shared.shared(origin);
    if (found.shared) co_return found;
    found.connection = co_await take_open(shared, origin);
    found.is_kept = found.connection != nullptr;
    co_return found;
}

/// Returns the versions of HTTP that a request to the origin may use.
client_protocols protocols_for(http_client& shared, const client_destination& to, const std::string& origin) {
    const auto& options = shared.options();
    if (!options.http2()) return client_protocols::http1;
    if (options.prior_knowledge()) return client_protocols::http2;
    const bool may_choose = to.url().is_https() && detail::has_http2() && !shared.is_http1(origin);
    return may_choose ? client_protocols::any : client_protocols::http1;
}

/// Connects to an origin, and keeps the connection for other requests if it is of HTTP/2.
task<result<client_route>> connect_shared(http_client& shared, client_destination to, const std::string& origin,
                                          client_protocols allowed, client_progress& at) {
    auto made = co_await detail::connect_client(shared, to, allowed, at);
    const bool keeps = shared.options().max_idle() != 0;
    if (made && made->shared && keeps) shared.set_shared(origin, made->shared);
    if (made && !made->shared && allowed == client_protocols::any) shared.set_http1(origin);
    co_return made;
}

/// Returns a connection to the origin. If several requests need the first connection to a server that may have HTTP/2,
/// one of them connects. The others wait, because they can share the connection.
task<result<client_route>> find_route(http_client& shared, client_destination to, const std::string& origin,
                                      bool may_use_kept, client_progress& at) {
    if (may_use_kept) {
        auto kept = co_await take_kept(shared, origin);
        if (kept.connection || kept.shared) co_return kept;
    }
    const auto allowed = protocols_for(shared, to, origin);
    if (allowed == client_protocols::http1 || !may_use_kept || shared.options().max_idle() == 0)
        co_return co_await connect_shared(shared, to, origin, allowed, at);
    const auto former = shared.last_failure(origin);
    const auto connecting = shared.connecting(origin);
    at.phase = phase::connect;
    at.where = to.url().authority();
    auto permit = co_await connecting->acquire();
    auto kept = co_await take_kept(shared, origin);
    if (kept.connection || kept.shared) co_return kept;
    const auto latest = shared.last_failure(origin);
    if (latest && (!former || latest->number != former->number)) {  // while this task has waited
        at.phase = latest->error.phase();
        at.where = latest->error.where();
        co_return std::unexpected(latest->error.code());
    }
    if (shared.is_http1(origin)) {
        permit->release();
        co_return co_await connect_shared(shared, to, origin, client_protocols::http1, at);
    }
    auto made = co_await connect_shared(shared, to, origin, allowed, at);
    if (!made) shared.set_failure(origin, at.failed(made.error()));
    co_return made;
}

/// A request that has failed, and whether it may be sent again.
struct failed_request {
    repeat again = repeat::never;
    bool is_sent = false;          // there was a connection for it
    std::optional<request> asked;  // nullopt if it cannot be sent again
};

/// Sends a request on a connection. Returns null if the connection does not accept requests.
std::shared_ptr<client_exchange> start_exchange(const std::shared_ptr<http_client>& shared, client_route& route,
                                                request& asked, const client_destination& to, const std::string& origin,
                                                const std::source_location& asked_at) {
    to.prepare(asked);
    if (route.shared) return detail::start_http2_exchange(route.shared, asked, to.url());
    return std::make_shared<http1_exchange>(std::move(route.connection), shared, origin, std::move(asked),
                                            to.url().authority(), route.is_kept, asked_at);
}

/// A body of a request whose reader's error is kept. Otherwise, an error of the reader could not be told apart from the
/// same error of the connection.
class watched_source final : public detail::described_source<watched_source> {
public:
    watched_source(http::body&& from, std::shared_ptr<std::error_code> failure) noexcept
        : from_(std::move(from)), failure_(std::move(failure)) {}

    static constexpr auto wait_shape() { return inspect::waits_as(&watched_source::from_); }

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        auto count = from_.poll_read(cx, into);
        if (count && !*count) *failure_ = count->error();
        return count;
    }
    bool ends_with_peer() const noexcept override { return detail::body_access::ends_with_peer(from_); }
    bool may_have_trailers() const noexcept override { return !detail::body_access::has_ended(from_); }
    std::size_t held_bytes() const noexcept override { return detail::body_access::held_bytes(from_); }
    http::headers make_trailers() override { return from_.trailers(); }

private:
    http::body from_;
    std::shared_ptr<std::error_code> failure_;
};

/// Lets the body of `asked` keep the error of its reader. Returns null if it has no reader.
std::shared_ptr<std::error_code> watch_body(request& asked) {
    if (asked.body.in_memory() != nullptr) return nullptr;
    auto failure = std::make_shared<std::error_code>();
    const auto size = asked.body.size();
    asked.body =
        detail::body_access::from_source(std::make_unique<watched_source>(std::move(asked.body), failure), size);
    return failure;
}

/// Sends a request once, and returns the response. Sets `failed` if that failed.
task<result<response>> send_once(std::shared_ptr<http_client> shared, const url& where, request asked,
                                 bool may_use_kept, client_progress& at, failed_request& failed) {
    const bool has_only_http2 = shared->options().http2() && shared->options().prior_knowledge();
    const auto to = co_await try_(detail::find_destination(*shared, where, !has_only_http2, at));
    const std::string origin = pool_key(to);
    const auto body_failure = watch_body(asked);
    std::shared_ptr<client_exchange> exchange;
    while (!exchange) {
        auto route = co_await find_route(*shared, to, origin, may_use_kept, at);
        if (!route) {
            failed.asked = std::move(asked);
            co_return std::unexpected(route.error());
        }
        at.where = route->shared ? address_of(*route->shared) : route->connection->address;
        if (to.is_forwarded()) at.where = to.describe(at.where);
        exchange = start_exchange(shared, *route, asked, to, origin, at.asked_at);
    }
    failed.is_sent = true;
    detail::head_future waiting(*exchange, at.phase);
    const auto head = co_await waiting;
    if (head) co_return exchange->take_response();
    if (body_failure && *body_failure == head.error()) at.phase = phase::body;
    failed.again = exchange->may_repeat();
    if (failed.again != repeat::never) failed.asked = exchange->take_request();
    if (failed.again == repeat::over_http1) shared->set_http1(origin);
    co_return std::unexpected(head.error());
}

/// Sends a request. If it fails, repeats it at once if the server has not processed it, or if a kept connection was
/// closed and the request may be processed twice. Sets `failed` if it fails.
task<result<response>> send_safely(std::shared_ptr<http_client> shared, const url& to, request asked,
                                   client_progress& at, failed_request& failed) {
    bool may_use_kept = true;
    for (unsigned attempt = 1;; ++attempt) {
        failed = failed_request();
        auto answer = co_await send_once(shared, to, std::move(asked), may_use_kept, at, failed);
        if (answer || !failed.asked || failed.again == repeat::never || attempt == most_attempts) co_return answer;
        const bool was_kept = failed.again == repeat::if_idempotent;
        if (was_kept && (!may_use_kept || !detail::is_idempotent(failed.asked->method))) co_return answer;
        if (was_kept) may_use_kept = false;
        asked = *std::move(failed.asked);
    }
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

/// Returns whether a request is repeated as it is after a redirect with the status `code`. Otherwise it becomes GET.
bool repeats_request(status code, method what) noexcept {
    switch (code) {
    case status::moved_permanently:
    case status::found: return what != method::post;
    case status::see_other: return what == method::get || what == method::head;
    default: return true;
    }
}

/// Returns a Location with its spaces and non-ASCII characters percent-encoded, which many servers send as they are.
std::string encode_location(std::string_view location) {
    return detail::encode_bytes(location, [](char c) { return c > 0x20 && c < 0x7f; });
}

/// Returns whether a redirect leads from HTTPS to a connection that anyone can read, and the request has credentials.
bool reveals_credentials(const request& asked, const url& from, const url& to) {
    const bool has_credentials = asked.headers.contains("Authorization") || asked.headers.contains("Cookie");
    return has_credentials && from.is_https() && !to.is_https();
}

/// Changes a request for the redirect with the status `code` from one URL to another.
void redirect(request& asked, status code, const url& from, const url& to) {
    if (!repeats_request(code, asked.method)) {
        for (const char* const name :
             {"Content-Encoding", "Content-Language", "Content-Location", "Content-Type", "Expect"})
            asked.headers.remove(name);
        asked.body = body();
        asked.method = method::get;
    }
    asked.headers.remove("Host");
    if (from.has_same_origin(to)) return;
    asked.headers.remove("Authorization");
    asked.headers.remove("Cookie");
}

/// Discards the part of a redirect's body that has arrived. If that is all of it, the connection can be used again.
task<void> discard_arrived(body& from) {
    const auto scratch = std::make_unique_for_overwrite<std::byte[]>(detail::message_stream::read_size);
    auto discarding = poll_fn([&, all = std::size_t{0}](context& cx) mutable {
        while (all <= most_discarded) {
            const auto count = from.poll_read(cx, {scratch.get(), detail::message_stream::read_size});
            if (!count || !*count || **count == 0) break;
            all += **count;
        }
        return poll_result<void>::ready();
    });
    co_await discarding;
}

/// Sends a request with the cookies of the jar, and repeats it as client_options::retries() says.
task<result<response>> send_with_retries(std::shared_ptr<http_client> shared, const url& to, request asked,
                                         detail::request_retries& retries, client_progress& at) {
    const detail::request_cookies cookies(shared->options().cookies(), asked);
    const auto sent = asked.method;
    for (;;) {
        cookies.set(asked, to);
        std::optional<request> again;
        if (retries.are_on() && asked.body.in_memory() != nullptr) again = copy_of(asked);
        std::optional<time::duration> wait;
        {
            failed_request failed;
            auto answer = co_await send_safely(shared, to, std::move(asked), at, failed);
            if (answer) cookies.receive(to, *answer);
            if (failed.asked) again = std::move(failed.asked);
            if (!retries.are_on() || !again) co_return answer;
            wait = answer ? retries.wait_after(*answer)
                          : retries.wait_after({sent, at.phase, answer.error(), failed.again, failed.is_sent});
            if (!wait) co_return answer;
            if (answer) co_await discard_arrived(answer->body);
        }  // the response does not keep its connection during the delay
        co_await time::sleep(*wait);
        asked = *std::move(again);
    }
}

/// Sends a request and follows redirects. Stores in `at` the current step, for errors.
task<result<response>> follow(std::shared_ptr<http_client> shared, std::string where, request asked,
                              client_progress& at) {
    at.where = where;
    auto to = co_await try_(url::parse(where));
    const auto most = shared->options().max_redirects();
    detail::request_retries retries(shared->options());
    for (unsigned redirects = 0;; ++redirects) {
        asked.target = to.target();
        const auto sent = asked.method;
        const bool is_repeatable = asked.body.in_memory() != nullptr;
        auto again = copy_of(asked);
        auto answer = co_await try_(send_with_retries(shared, to, std::move(asked), retries, at));
        const auto location = answer.headers.get("Location");
        if (!is_redirect(answer.status) || !location || most == 0) co_return std::move(answer);
        if (!is_repeatable && repeats_request(answer.status, sent)) co_return std::move(answer);
        at.phase = phase::url;
        at.where = *location;
        auto next = co_await try_(to.resolve(encode_location(*location)));
        const auto& may_follow = shared->options().may_follow();
        if (may_follow && !may_follow(next)) co_return std::move(answer);
        if (reveals_credentials(again, to, next)) co_return std::move(answer);
        if (redirects == most) co_return std::unexpected(make_error_code(errc::too_many_redirects));
        redirect(again, answer.status, to, next);
        co_await discard_arrived(answer.body);
        asked = std::move(again);
        to = std::move(next);
    }
}

/// Returns whether the client itself asks for a compressed response. The caller of the library gets the bytes as they
/// are sent if it has set Accept-Encoding or Range. A range refers to the compressed bytes.
bool may_decompress(const request& asked, std::uint64_t most) {
    return !detail::available_codings().empty() && most != 0 && asked.method != method::head &&
           !asked.headers.contains("Accept-Encoding") && !asked.headers.contains("Range");
}

void decompress(response& answer, std::uint64_t most) {
    const auto* const coding = detail::find_coding(answer.headers.get("Content-Encoding").value_or(""));
    if (coding == nullptr || answer.body.size() == 0U) return;
    answer.headers.remove("Content-Encoding");
    answer.headers.remove("Content-Length");
    answer.body = detail::body_access::from_source(detail::decoding_source(*coding, std::move(answer.body), most));
}

task<std::expected<response, client_error>> send_with(std::shared_ptr<http_client> shared, std::string url,
                                                      request asked, std::source_location asked_at) {
    client_progress at;
    at.asked_at = asked_at;
    if (!asked.headers.contains("User-Agent")) asked.headers.add("User-Agent", "eddy");
    const auto most = shared->options().decompressed_limit();
    const bool decompresses = may_decompress(asked, most);
    if (decompresses) asked.headers.add("Accept-Encoding", detail::available_codings());
    const auto limit = shared->options().timeout();
    auto limited = time::timeout(limit, follow(std::move(shared), std::move(url), std::move(asked), at));
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
        case phase::proxy: return "no connection through the proxy ";
        case phase::body: return "cannot read the body of the request to ";
        case phase::none: return "the request was not completed";
        case phase::receive: break;
        }
        return "no response from ";
    };
    const auto shown = detail::encode_bytes(where_, [](char c) { return c >= 0x20 && c < 0x7f; });
    return std::string(what()) + shown + ": " + code_.message();
}

client::client(client_options options) : shared_(std::make_shared<http_client>(std::move(options))) {}

task<std::expected<response, client_error>> client::send(std::string url, request asked,
                                                         std::source_location where) const {
    return send_with(shared_, std::move(url), std::move(asked), where);
}

task<std::expected<response, client_error>> client::get(std::string url, std::source_location where) const {
    return send_with(shared_, std::move(url), request(method::get, "/"), where);
}

task<std::expected<response, client_error>> client::post(std::string url, std::string type, http::body content,
                                                         std::source_location where) const {
    return send_with(shared_, std::move(url), with_body(method::post, type, std::move(content)), where);
}

task<std::expected<response, client_error>> client::put(std::string url, std::string type, http::body content,
                                                        std::source_location where) const {
    return send_with(shared_, std::move(url), with_body(method::put, type, std::move(content)), where);
}

task<std::expected<response, client_error>> client::patch(std::string url, std::string type, http::body content,
                                                          std::source_location where) const {
    return send_with(shared_, std::move(url), with_body(method::patch, type, std::move(content)), where);
}

task<std::expected<response, client_error>> client::del(std::string url, std::source_location where) const {
    return send_with(shared_, std::move(url), request(method::delete_, "/"), where);
}

task<std::expected<response, client_error>> get(std::string url, client_options options) {
    return client(std::move(options)).get(std::move(url));
}

}  // namespace eddy::http
