// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/slot.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/serve.hpp>
#include <eddy/http/service.hpp>
#include <eddy/http/upgrade.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include "h1/head.hpp"
#include "h2/http2.hpp"
#include "message/presence.hpp"
#include "message/syntax.hpp"
#include "server/incoming_body.hpp"
#include "server/service_outcome.hpp"
#include "server/shared_state.hpp"

// One connection of a server.
//
//     wait ──bytes──> head ──complete──> service ──response──> send ──> wait, or close
//       │ end           │ refused                               │ the client asked for it, limits, shutdown
//       └> close        └> send the status, close gracefully    └> close
//
// If the first head is the preface of HTTP/2, the connection continues in serve_http2().
//
// While a service works, or the reader of a response body waits, the connection also receives: it keeps the bytes that
// arrive up to a limit, and notices that the client goes away. Then the service is cancelled.
//
// Requests are answered one after the other. Further requests that the client has sent (pipelining) stay in the buffer.
// Responses to them are collected as long as the service does not wait.

namespace eddy::detail {

std::shared_ptr<server_memory> make_server_memory() { return std::make_shared<server_memory>(); }

namespace {

using http::status;

constexpr std::size_t most_collected = 64 * 1024;   // bytes of responses that are collected before they are sent
constexpr std::size_t most_discarded = 256 * 1024;  // bytes of a body that the service has not read
constexpr auto close_limit = std::chrono::seconds(2);

/// Returns the status with which the server refuses a head, or `accepted` for a complete head.
status refusal_of(head_scanner::outcome outcome) noexcept {
    switch (outcome) {
    case head_scanner::outcome::complete: return accepted;
    case head_scanner::outcome::incomplete: return status::request_timeout;
    case head_scanner::outcome::line_too_long: return status::uri_too_long;
    case head_scanner::outcome::too_large: return status::request_header_fields_too_large;
    case head_scanner::outcome::malformed: break;
    }
    return status::bad_request;
}

/// The parts of the first line of a head that may be malformed or incomplete.
struct line_parts {
    std::string_view method;
    std::string_view target;

    line_parts() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12
};

line_parts first_line(std::string_view received) noexcept {
    if (received.starts_with("\r\n")) received.remove_prefix(2);
    line_parts parts;
    const auto line = received.substr(0, received.find_first_of("\r\n"));
    const auto method = line.substr(0, line.find(' '));
    if (method.size() == line.size() || !is_token(method)) return parts;
    parts.method = method;
    const auto rest = line.substr(method.size() + 1);
    parts.target = rest.substr(0, rest.find(' '));
    return parts;
}

/// The state of a request on which its response depends.
struct request_state : immovable {
    response_context context;
    std::optional<counted_call> counted;  // while the service runs, with serve_options::metrics()
    std::string upgrade;  // the values of the request's field Upgrade, if the client asks for an upgrade
    std::shared_ptr<incoming_body> incoming;  // null if the request has no body, or if its body is in memory
    held_share held;                          // of the response
    std::shared_ptr<client_presence> client;  // null before the service is called
    bool is_answered = false;                 // the whole response was collected or sent

    request_state() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12
    ~request_state() {
        if (incoming) incoming->detach();
        if (client && !is_answered) client->leave();
    }
};

/// A request and its response, from the parsed head to the end of the response.
struct exchange {
    request_head head;
    request_state of;
    request_name name;
    std::optional<service_answer> working;  // the service; nullopt before it was called, and after it has ended
    bool was_polled = false;                // answer_at_once() has polled the service in the current poll of the task
    bool is_gone = false;                   // the client has gone while the service worked
    bool is_cancelled = false;              // and the service was cancelled, or is being cancelled
    bool is_written = false;                // the head of the response was written, and maybe its body
    body_framing rest;                      // after is_written: how the rest of the response is sent
    slot<http::response> outcome;
    std::optional<std::error_code> error;  // of the service
    std::exception_ptr thrown;             // by the service

    exchange() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12
};

/// The next step of a connection after a head or a request was handled.
enum class next_step : unsigned char { close, request, http2 };

/// A connection of a server. It may be moved until it is polled.
class server_connection {
public:
    server_connection(message_stream&& stream, std::shared_ptr<const http_server>&& server,
                      std::optional<net::socket_addr> peer, std::optional<net::serve_connection>&& connection,
                      bool may_be_http2)
        : server_(std::move(server)),
          stream_(std::move(stream)),
          peer_(peer),
          connection_(std::move(connection)),
          may_be_http2_(may_be_http2) {
        stream_.watch_peer(server_->options.half_close());
    }

    [[nodiscard]] const http::serve_options& options() const noexcept { return server_->options; }
    /// Waits for requests and answers them, as long as answer_at_once() can do so. Returns true if answer_one() must
    /// continue with a request. Returns false if the connection must be closed: the client has ended it, an error has
    /// occurred, or the server shuts down.
    ///
    /// This is one function without a coroutine, so that a usual request costs neither a coroutine frame nor a
    /// suspension of the connection's own coroutine.
    [[gnu::always_inline]] poll_result<bool> poll_requests(context& cx) {  // see message_stream
        // On the stack, so that a waiting connection owns no large buffer.
        std::array<std::byte, message_stream::read_size> scratch;  // NOLINT(cppcoreguidelines-pro-type-member-init)
        for (;;) {
            if (stream_.in().empty()) {
                const auto has_received = poll_first_bytes(cx, scratch);
                if (has_received && !*has_received) stream_.end_writing(cx);
                if (!has_received || !*has_received) return has_received;
            }
            if (!answer_at_once(cx)) return true;
        }
    }
    /// Ends a connection that waits in poll_requests(), so between two messages.
    void end_idle(context& cx) noexcept { stream_.end_writing(cx); }

    /// Continues with the request at which poll_requests() has ended: receives the rest of its head, waits for its
    /// service, and sends the rest of its response. This coroutine owns all state of the request, so an idle connection
    /// has none of it.
    /// Errors: those of the service.
    task<result<next_step>> answer_one() {
        pool_box<exchange> current = std::move(begun_);
        if (!current) {
            current.reset(pool_new<exchange>());
            request_head& head = current->head;
            head_scanner scanner;
            auto found = scanner.scan(stream_.in(), server_->options.header_limit());
            if (found == head_scanner::outcome::incomplete) {
                const auto rest = co_await read_head(scanner);
                if (!rest) co_return next_step::close;
                found = *rest;
            }
            if (std::exchange(may_be_http2_, false) && is_preface(stream_.in())) co_return next_step::http2;
            status refused = refusal_of(found);
            if (refused == accepted) refused = parse(scanner, head);
            if (refused != accepted) {
                co_await refuse(refused, head.method);
                co_return next_step::close;
            }
            begin(*current);
        }
        auto& [head, of, name, working, was_polled, is_gone, is_cancelled, is_written, rest, outcome, error, thrown] =
            *current;
        if (working) co_await answering(*this, *current);
        if (is_cancelled) {
            if (thrown) report(name);
            co_await end_without_response(of);
            if (thrown) std::rethrow_exception(thrown);
            co_return next_step::close;
        }
        const auto failure = error.value_or(std::error_code());
        if (thrown || error) {
            const auto failure_of_body = of.incoming ? of.incoming->get_failure() : std::error_code();
            static_cast<void>(outcome.discard());
            outcome.set_value(failure_of_body ? status_of(failure_of_body) : status_of_service(failure));
            of.context.keeps_alive = false;
        }
        const bool is_reported = thrown || (failure && !is_of_client(failure, of));
        if (is_reported) report(name);
        if (outcome.value().upgrade && of.incoming) co_await end_incoming(*current);
        http::response& answer = outcome.value();
        if (answer.upgrade) {
            end_call(of.counted, answer.status);
            of.is_answered = true;
            co_return co_await switch_protocols(std::move(answer), name);
        }
        if (!is_written) write(*current);
        bool can_continue = true;
        bool body_has_thrown = false;
        if (is_complete(*current)) {
            of.is_answered = true;
        } else {
            try {
                can_continue = co_await send_rest(answer, rest, of);
            } catch (...) {
                thrown = std::current_exception();
                body_has_thrown = true;
            }
        }
        const auto body_failure = stream_.body_failure();
        const bool body_is_reported = body_has_thrown || (body_failure && !is_of_client(body_failure, of));
        if (body_is_reported) report(name);
        if (body_has_thrown || body_failure) co_await end_incomplete(rest, of);
        if (thrown) std::rethrow_exception(thrown);
        if (is_reported) co_return std::unexpected(failure);
        if (body_is_reported) co_return std::unexpected(body_failure);
        co_return can_continue ? next_step::request : next_step::close;
    }

    /// Continues with HTTP/2.
    task<result<void>> serve_as_http2() && {
        idle_.end();
        const auto until = head_deadline();
        return serve_http2(std::move(stream_), std::move(server_), peer_, std::move(connection_), until);
    }

    /// Returns the protocol that follows after answer_one() has returned `close`, or null if the connection ends.
    [[nodiscard]] std::shared_ptr<http_upgrade> take_upgrade() noexcept { return std::move(upgrade_); }
    /// Passes the connection to that protocol.
    /// Errors: those of the protocol.
    task<result<void>> serve_upgraded(http_upgrade& next) {
        try {
            auto serving = next.run(http::upgraded_connection(stream_.release(), options().connections().shutdown()));
            auto outcome = co_await std::move(serving);
            if (!outcome && connection_) connection_->state().set_failed_work(std::move(next.asked));
            co_return outcome;
        } catch (...) {
            if (connection_) connection_->state().set_failed_work(std::move(next.asked));
            throw;
        }
    }

private:
    /// Sends the collected responses, then waits for the next request. The connection is idle only if it must wait.
    /// Returns whether bytes were received: false at the end of the connection, after an error, and at a shutdown.
    [[gnu::always_inline]] poll_result<bool> poll_first_bytes(context& cx, std::span<std::byte> scratch) {
        if (stream_.has_unsent()) {
            const auto flushed = stream_.poll_flush(cx);
            if (!flushed) return not_ready;
            if (!*flushed) return false;
        }
        const auto count = stream_.poll_fill_first(cx, scratch);
        if (count) {
            idle_.end();
            first_timer_.reset();
            return *count && **count != 0;
        }
        if (shuts_down_idle(cx) || is_first_late(cx)) return false;
        stream_.release_buffers();
        if (connection_) idle_.begin(connection_->state());
        return not_ready;
    }

    /// Answers the next request if it was received completely, its service does not wait, and the response is short.
    /// Otherwise returns false, and answer_one() must continue: with begun_ if the service was called, otherwise with
    /// the head, which is incomplete or may have to be refused.
    bool answer_at_once(context& cx) {
        pool_box<exchange> current(pool_new<exchange>());
        if (!parse_at_once(current->head)) {
            stream_.keep_received();
            return false;
        }
        begin(*current);
        if (current->working && !poll_service(*current, cx)) {
            current->was_polled = true;
        } else if (!current->thrown && !current->error && !current->outcome.value().upgrade) {
            write(*current);
            if (is_complete(*current)) {
                current->of.is_answered = true;
                return true;
            }
        }
        begun_ = std::move(current);
        return false;
    }

    /// Calls the service.
    void begin(exchange& it) {
        ++requests_;
        request_head& head = it.head;
        request_state& of = it.of;
        of.context.asked = head.method;
        of.context.version = head.version;
        of.context.keeps_alive = head.keeps_alive && requests_ != server_->options.max_requests();
        if (head.asks_for_upgrade) add_upgrade(head, of);
        it.name.set(head.method, head.target);
        try {
            if (const auto& counters = server_->options.counters()) of.counted.emplace(*counters);
            head.peer = peer_;
            of.client = request_access::add_client(head);
            add_body(head, of);
            stream_.keep_received();
            it.working.emplace(server_->answer.start(std::move(head)));
        } catch (...) {
            // SAFETY: in() may still refer to the stack of poll_requests(). Only the number of these bytes is used
            // until close_gracefully() discards them.
            it.thrown = std::current_exception();
        }
    }

    /// Polls the service. Returns whether it has ended.
    static bool poll_service(exchange& it, context& cx) {
        try {
            if (it.of.incoming) it.of.incoming->set_connection(cx.waker());
            if (!it.working->poll_into(cx, it.outcome, it.error)) return false;
            if (!it.error) check(it.outcome, it.of);
        } catch (...) {
            it.thrown = std::current_exception();
        }
        it.working.reset();
        return true;
    }

    /// Returns whether the first head of a connection is the start of the HTTP/2 preface (RFC 9113, section 3.4).
    /// nghttp2 checks the rest of the preface.
    static bool is_preface(std::string_view received) noexcept {
        return received.starts_with("PRI * HTTP/2.0\r\n\r\n");
    }

    /// Returns whether the idle connection must be closed because of a shutdown. Returns false with net::serve(), which
    /// aborts idle connections itself.
    bool shuts_down_idle(context& cx) {
        const auto& token = server_->options.connections().shutdown();
        if (connection_ || !token) return false;
        if (!told_) told_ = std::make_unique<cancelled_future>(token->cancelled_owned());
        return told_->poll(cx).is_ready();
    }

    /// Returns whether the client has sent nothing for too long after the connection was accepted.
    bool is_first_late(context& cx) {
        if (requests_ != 0) return false;
        if (!first_timer_) {
            first_until_ = time::deadline_after(server_->options.header_timeout());
            first_timer_.reset(pool_new<time::sleep_future>(first_until_));
        }
        return first_timer_->poll(cx).is_ready();
    }

    /// Returns the time limit of a head that begins now. The time for the first head begins when the connection is
    /// accepted.
    [[nodiscard]] time::time_point head_deadline() const noexcept {
        return std::min(time::deadline_after(server_->options.header_timeout()),
                        requests_ == 0 ? first_until_ : time::time_point::max());
    }

    /// Receives the rest of a head. Returns `incomplete` if that takes too long.
    /// Errors: those of the connection; unexpected_eof.
    task<result<head_scanner::outcome>> read_head(head_scanner& scanner) {
        auto rest = read_rest(scanner);
        auto limited = time::timeout_at(head_deadline(), std::move(rest));
        const auto outcome = co_await limited;
        if (!outcome) co_return head_scanner::outcome::incomplete;
        co_return *outcome;
    }
    task<result<head_scanner::outcome>> read_rest(head_scanner& scanner) {
        for (;;) {
            const auto flushed = co_await stream_.flush();
            if (!flushed) co_return std::unexpected(flushed.error());
            const auto count = co_await poll_fn([this](context& cx) { return stream_.poll_fill_idle(cx); });
            if (!count) co_return std::unexpected(count.error());
            if (*count == 0) co_return std::unexpected(make_error_code(errc::unexpected_eof));
            const auto outcome = scanner.scan(stream_.in(), server_->options.header_limit());
            if (outcome != head_scanner::outcome::incomplete) co_return outcome;
        }
    }

    [[nodiscard]] head_limits limits() const noexcept {
        head_limits limits;
        limits.bytes = server_->options.header_limit();
        limits.fields = server_->options.max_headers();
        return limits;
    }

    /// Parses and consumes the next head without a head_scanner, which would read all bytes once more. Returns false,
    /// and consumes nothing, if that is impossible: the head may be incomplete, or it must be refused.
    bool parse_at_once(request_head& into) {
        // The headers keep a copy of all received bytes, in one block of the frame pool.
        constexpr std::size_t most = 1536;
        const auto received = stream_.in();
        return !may_be_http2_ && received.size() <= most && received.size() <= server_->options.header_limit() &&
               received.ends_with("\r\n\r\n") && parse(received, into) == accepted;
    }

    /// Parses and consumes the head that `scanner` has found. Returns `accepted`, or the status with which the server
    /// refuses the request.
    status parse(const head_scanner& scanner, request_head& into) {
        const auto text = stream_.in().substr(scanner.begin(), scanner.end() - scanner.begin());
        const status refused = parse(text, into);
        if (refused == accepted) stream_.consume(scanner.begin());
        return refused;
    }
    status parse(std::string_view text, request_head& into) {
        if (const status refused = parse_request_head(text, limits(), into); refused != accepted) return refused;
        if (into.framing.length > server_->options.body_limit()) return status::content_too_large;
        stream_.consume(into.size);
        return accepted;
    }

    /// Adds the body that follows a head.
    void add_body(request_head& head, request_state& of) {
        using kind = body_framing::kind;
        if (head.framing.is == kind::none) return;
        if (head.framing.is == kind::length && head.framing.length <= stream_.in().size()) {
            const auto size = static_cast<std::size_t>(head.framing.length);
            if (size != 0) head.body = http::body(stream_.in().substr(0, size));
            stream_.consume(size);
            return;
        }
        const auto& options = server_->options;
        body_timer limits(options.min_body_rate(), options.io_timeout(), options.header_timeout());
        of.incoming = std::make_shared<incoming_body>(stream_, head.framing, options.body_limit(), std::move(limits),
                                                      head.expects_continue);
        const auto size = head.framing.is == kind::length ? std::optional(head.framing.length) : std::nullopt;
        head.body = make_incoming_body(of.incoming, size);
    }

    static void add_upgrade(const request_head& head, request_state& of) {
        for (const auto& [field, value] : head.headers)
            if (http::equal_names(field, "Upgrade")) of.upgrade.append(of.upgrade.empty() ? "" : ",").append(value);
    }

    /// Returns whether an error is that of the request's body: the client has disconnected, was too slow, or has sent
    /// something invalid or too large. It is not reported, even if the service has passed it on.
    static bool is_of_client(const std::error_code& failure, const request_state& of) noexcept {
        return of.incoming && failure == of.incoming->get_failure();
    }

    /// Polls the service, and stores its result. While the service waits, sends the responses that were collected
    /// before, and watches the client. If the client goes away, cancels the service, unless the service watches the
    /// client itself.
    class answering : public future_ops<answering> {
    public:
        using output_type = void;

        answering(server_connection& on, exchange& it) noexcept : on_(on), it_(it) {}

        poll_result<void> poll(context& cx) {
            if (it_.is_cancelled) return cancel_service(cx);
            if (!std::exchange(it_.was_polled, false) && poll_service(it_, cx)) return poll_result<void>::ready();
            try {
                flush(cx);
                if (it_.is_gone || !on_.stream_.poll_peer_gone(cx, it_.of.incoming.get())) return not_ready;
            } catch (...) {  // as if the service had thrown
                it_.thrown = std::current_exception();
                it_.working.reset();
                return poll_result<void>::ready();
            }
            it_.is_gone = true;
            it_.of.client->leave();
            if (it_.of.client->is_watched()) return not_ready;
            it_.is_cancelled = true;
            return cancel_service(cx);
        }
        poll_result<void> poll_cancel(context& cx) { return it_.working->poll_cancel(cx); }

    private:
        poll_result<void> cancel_service(context& cx) {
            try {
                if (!it_.working->poll_cancel(cx)) return not_ready;
                it_.working.reset();
            } catch (...) {
                it_.thrown = std::current_exception();
                it_.working.reset();
            }
            return poll_result<void>::ready();
        }
        void flush(context& cx) {
            std::unique_lock<mutex> guard;
            if (it_.of.incoming) guard = std::unique_lock(it_.of.incoming->lock);
            // An error of this flush is not lost: sending the response fails, too.
            if (on_.stream_.has_unsent()) static_cast<void>(on_.stream_.poll_flush(cx));
        }

        server_connection& on_;
        exchange& it_;
    };

    [[nodiscard]] bool shuts_down() const noexcept {
        const auto& token = server_->options.connections().shutdown();
        return token && token->is_cancelled();
    }

    /// Returns whether the client has asked for this protocol, or for all of them if `protocol` is a list.
    static bool asks_for(std::string_view protocol, const request_state& of) noexcept {
        while (!protocol.empty()) {
            const auto wanted = trim(take_part(protocol, ','));
            bool is_found = false;
            for (std::string_view list = of.upgrade; !list.empty() && !is_found;)
                is_found = http::equal_names(trim(take_part(list, ',')), wanted);
            if (!is_found) return false;
        }
        return true;
    }

    /// Replaces a response 101 for which the client has not asked. Throws `misuse` if the response cannot be sent.
    static void check(slot<http::response>& outcome, const request_state& of) {
        const http::response& answer = outcome.value();
        if (!answer.upgrade) {
            check_status(answer.status);
            return;
        }
        const auto protocol = answer.headers.get("Upgrade").value_or("");
        if (protocol.empty()) throw misuse("switch_protocols() needs the name of a protocol");
        if (asks_for(protocol, of)) return;
        auto refusal = upgrade_required(protocol);
        static_cast<void>(outcome.discard());
        outcome.set_value(std::move(refusal));
    }

    /// Receives the part of a body that the service has not read, because the new protocol begins after it. Replaces
    /// the response 101 if that fails.
    task<void> end_incoming(exchange& it) {
        incoming_body& incoming = *it.of.incoming;
        incoming.detach();
        auto failure = incoming.failure;
        if (!failure && !incoming.decoder.is_finished()) {
            // RFC 9110, section 7.8: a client that waits for the response 100 gets it before the response 101.
            if (std::exchange(incoming.expects_continue, false)) append_continue(stream_.out());
            const auto flushed = co_await stream_.flush();
            if (flushed) {
                const auto discarded = co_await discard(incoming.decoder);
                if (!discarded) failure = discarded.error();
            } else {
                failure = flushed.error();
            }
        }
        if (!failure) co_return;
        incoming.failure = failure;  // for write(): the connection is closed
        static_cast<void>(it.outcome.discard());
        it.outcome.set_value(status_of(failure));
    }

    /// Sends a response 101. Returns `close`, because HTTP ends.
    task<result<next_step>> switch_protocols(http::response answer, const request_name& name) {
        write_switching_head(stream_.out(), answer);
        if (connection_) answer.upgrade->asked = name.text();
        const auto flushed = co_await stream_.flush();
        if (flushed) upgrade_ = std::move(answer.upgrade);
        co_return next_step::close;
    }

    /// Writes the head of the response, and its body if that is short and in memory.
    void write(exchange& it) {
        request_state& of = it.of;
        it.is_written = true;
        if (!hold(it)) {
            static_cast<void>(it.outcome.discard());
            it.outcome.set_value(status::service_unavailable);
            report_unavailable(options(), it.name, peer_);
        }
        http::response& answer = it.outcome.value();
        end_call(of.counted, answer.status);
        if (answer.status == status::reset_content) answer.body = http::body();
        if (shuts_down() || it.is_gone) of.context.keeps_alive = false;
        std::unique_lock<mutex> guard;
        if (of.incoming) guard = prepare_incoming(answer, of);
        it.rest = write_response_head(stream_.out(), answer, of.context);
        const auto* const content = answer.body.in_memory();
        if (content == nullptr || content->size() >= most_collected) return;
        if (it.rest.is != body_framing::kind::none) stream_.out().append(content->text());
        it.rest = {};
    }

    /// Counts the memory of a response, unless write() copies its body. Returns false if there is not enough.
    bool hold(exchange& it) const noexcept {
        const auto& body = it.outcome.value().body;
        if (const auto* const content = body.in_memory(); content != nullptr && content->size() < most_collected)
            return true;
        const auto size = body.held_bytes();
        if (size == 0) return true;
        auto* const memory = options().memory();
        return it.of.held.take(memory != nullptr ? &memory->responses : nullptr, size, 0,
                               options().response_memory_limit());
    }

    /// Prepares the body of the request for the response. Returns its lock: another task may read it.
    static std::unique_lock<mutex> prepare_incoming(const http::response& answer, request_state& of) {
        incoming_body& incoming = *of.incoming;
        const bool is_read = answer.body.in_memory() == nullptr;  // the body of the response may be that of the request
        if (!is_read) incoming.detach();
        std::unique_lock guard(incoming.lock);
        incoming.has_response = true;
        if (is_read) incoming.ask();
        if (incoming.expects_continue || incoming.failure) of.context.keeps_alive = false;
        // Too much of the body is unread, so the connection will be closed. The response announces that, so that the
        // client sends no further request on it.
        if (!is_read && incoming.decoder.left() > most_discarded) of.context.keeps_alive = false;
        incoming.expects_continue = false;
        return guard;
    }

    /// Returns whether nothing is left to do for the request after write().
    bool is_complete(const exchange& it) const noexcept {
        return it.rest.is == body_framing::kind::none && !it.of.incoming && it.of.context.keeps_alive &&
               stream_.collected() <= most_collected;
    }

    /// Sends the rest of a response. Returns whether the connection can be used for another request.
    task<bool> send_rest(http::response& answer, body_framing rest, request_state& of) {
        if (rest.is != body_framing::kind::none) {
            const auto sent = co_await stream_.send_body(answer.body, rest, of.incoming.get());
            if (!sent) co_return false;
        }
        of.is_answered = true;
        auto* const incoming = of.incoming.get();
        if (incoming != nullptr) incoming->detach();
        const bool was_read = incoming == nullptr || incoming->decoder.is_finished();
        if (!of.context.keeps_alive || (incoming != nullptr && incoming->failure)) {
            co_await end(was_read);
            co_return false;
        }
        if (stream_.collected() > most_collected || !was_read) {
            const auto flushed = co_await stream_.flush();
            if (!flushed) co_return false;
        }
        if (was_read) co_return true;
        const auto discarded = co_await discard(incoming->decoder);
        if (!discarded) co_await end(false);
        co_return discarded.has_value();
    }

    /// Receives the part of a body that the service has not read, for a limited time.
    task<result<void>> discard(body_decoder& decoder) {
        auto discarding = stream_.discard_body(decoder, most_discarded);
        auto limited = time::timeout(server_->options.io_timeout(), std::move(discarding));
        const auto discarded = co_await limited;
        if (!discarded) co_return std::unexpected(make_error_code(errc::timed_out));
        co_return *discarded;
    }

    /// Sends the collected bytes and closes the connection.
    task<void> end(bool was_read) {
        if (was_read && stream_.in().empty()) {
            co_await stream_.close();
        } else {
            co_await stream_.close_gracefully(close_limit);
        }
    }

    /// Closes the connection of a client that has gone.
    task<void> end_without_response(const request_state& of) {
        if (of.incoming) of.incoming->detach();  // first, because another task may read the body
        if (!stream_.is_broken() && !stream_.has_unsent()) co_await stream_.close();
    }

    void report(const request_name& name) {
        if (connection_) connection_->state().set_failed_work(name.text());
    }

    /// Closes the connection after the reader of a response body has failed. First sends what was collected: responses
    /// to earlier requests, and the beginning of this one.
    task<void> end_incomplete(body_framing framing, const request_state& of) {
        if (of.incoming) of.incoming->detach();
        // The client takes the end of the connection for the end of such a body, so it gets neither.
        if (framing.is != body_framing::kind::until_end) co_await end(false);
    }

    /// Answers with an error status and closes the connection.
    task<void> refuse(status why, http::method asked) {
        response_context context;
        context.asked = asked;
        context.keeps_alive = false;
        const auto line = first_line(stream_.in());
        note_refusal(server_->options, why, line.method, line.target, peer_);
        const auto answer = http::response::text(std::string(http::reason_of(why)) + "\n", why);
        const auto framing = write_response_head(stream_.out(), answer, context);
        if (framing.is != body_framing::kind::none) stream_.out().append(answer.body.in_memory()->text());
        co_await stream_.close_gracefully(close_limit);
    }

    using cancelled_future = sync::cancellation_token::owned_cancelled_future;

    std::shared_ptr<const http_server> server_;
    message_stream stream_;
    std::optional<net::socket_addr> peer_;
    std::optional<net::serve_connection> connection_;
    idle_mark idle_;                            // declared after connection_, whose state it refers to
    std::unique_ptr<cancelled_future> told_;    // see shuts_down_idle()
    pool_box<exchange> begun_;                  // see answer_at_once()
    std::shared_ptr<http_upgrade> upgrade_;     // see take_upgrade()
    pool_box<time::sleep_future> first_timer_;  // see is_first_late()
    time::time_point first_until_ = time::time_point::max();
    std::uint64_t requests_ = 0;  // number of requests for which the service was called
    bool may_be_http2_;           // no head has been received
};

/// The future of server_connection::poll_requests().
class answering_requests : public future_ops<answering_requests> {
public:
    using output_type = bool;

    explicit answering_requests(server_connection& on) noexcept : on_(on) {}
    [[gnu::always_inline]] poll_result<bool> poll(context& cx) { return on_.poll_requests(cx); }
    /// net::serve() aborts connections that have been idle for too long, and idle ones at a shutdown.
    poll_result<void> poll_cancel(context& cx) {
        on_.end_idle(cx);
        return poll_result<void>::ready();
    }

private:
    server_connection& on_;
};

/// Serves requests until the connection ends. An idle connection waits in this coroutine frame.
task<result<void>> serve_requests(server_connection connection) {
    for (;;) {
        const bool continues = co_await answering_requests(connection);
        if (!continues) co_return ok();
        const auto next = co_await connection.answer_one();
        if (!next) co_return std::unexpected(next.error());
        if (*next == next_step::request) continue;
        if (*next == next_step::http2) break;
        const auto upgrade = connection.take_upgrade();
        if (!upgrade) co_return ok();
        co_return co_await connection.serve_upgraded(*upgrade);
    }
    co_return co_await std::move(connection).serve_as_http2();
}

task<result<void>> counted(counted_connection, task<result<void>> serving) { co_return co_await std::move(serving); }

task<result<void>> serve_any(http_transport stream, http_protocol protocol, std::shared_ptr<const http_server> server,
                             std::optional<net::socket_addr> peer, std::optional<net::serve_connection> connection) {
    message_stream messages(std::move(stream), server->options.io_timeout());
    if (protocol == http_protocol::http_2) {
        const auto until = time::deadline_after(server->options.header_timeout());
        return serve_http2(std::move(messages), std::move(server), peer, std::move(connection), until);
    }
    const bool may_be_http2 = protocol == http_protocol::any && server->options.http2() && has_http2();
    return serve_requests(
        server_connection(std::move(messages), std::move(server), peer, std::move(connection), may_be_http2));
}

}  // namespace

task<result<void>> serve_http(http_transport stream, http_protocol protocol, std::shared_ptr<const http_server> server,
                              std::optional<net::socket_addr> peer, std::optional<net::serve_connection> connection) {
    const auto counters = server->options.counters();
    auto serving = serve_any(std::move(stream), protocol, std::move(server), peer, std::move(connection));
    if (!counters) return serving;
    return counted(counted_connection(counters), std::move(serving));
}

}  // namespace eddy::detail

namespace eddy::http {

std::vector<std::string> alpn_protocols() {
    if (!detail::has_http2()) return {"http/1.1"};
    return {"h2", "http/1.1"};
}

}  // namespace eddy::http
