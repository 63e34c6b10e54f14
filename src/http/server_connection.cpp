// SPDX-License-Identifier: MIT
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/serve.hpp>
#include <eddy/http/service.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/time/timeout.hpp>

#include "http/body_decoder.hpp"
#include "http/head_parser.hpp"
#include "http/head_writer.hpp"
#include "http/message_stream.hpp"

// One connection of a server.
//
//     wait ──bytes──> head ──complete──> service ──response──> send ──> wait, or close
//       │ end           │ refused                               │ the client asked for it, limits, shutdown
//       └> close        └> send the status, close gracefully    └> close
//
// Requests are answered one after the other. Further requests that the client has sent (pipelining) stay in the
// buffer, and responses to them are collected as long as the service does not wait.

namespace eddy::detail {

task<result<http::response>> with_result(task<http::response> answer) { co_return co_await std::move(answer); }

namespace {

using http::status;

constexpr std::size_t most_collected = 64 * 1024;   // bytes of responses that are collected before they are sent
constexpr std::size_t most_discarded = 256 * 1024;  // bytes of a body that the service has not read
constexpr auto close_limit = std::chrono::seconds(2);

/// The state of a request's body while it is received. The connection and the http::body share it. The latter may
/// outlive the connection.
struct incoming_body {
    mutex lock;              // another task may read the body
    message_stream* stream;  // null after detach()
    body_decoder decoder;
    bool expects_continue;
    std::error_code failure;
    waker reader;  // if it waits

    incoming_body(message_stream& from, const body_framing& framing, std::uint64_t limit, bool expects) noexcept
        : stream(&from), decoder(framing, limit), expects_continue(expects) {}

    /// Sends "100 Continue" if the client waits for it.
    void ask() {
        if (std::exchange(expects_continue, false)) stream->out().append("HTTP/1.1 100 Continue\r\n\r\n");
    }

    /// Ends the use of the connection: reading the body fails from now on.
    void detach() noexcept {
        waker waiting;
        {
            const std::lock_guard guard(lock);
            stream = nullptr;
            waiting = std::exchange(reader, waker());
        }
        std::move(waiting).wake();
    }

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        const std::lock_guard guard(lock);
        if (stream == nullptr) return result<std::size_t>(std::unexpect, make_error_code(http::errc::body_detached));
        if (failure) return result<std::size_t>(std::unexpect, failure);
        ask();
        auto count = stream->poll_body(cx, decoder, into);
        if (count) {
            reader = waker();
            if (!*count) failure = count->error();
        } else {
            reader = cx.waker();
            const auto flushed = stream->poll_flush(cx);  // "100 Continue", if another task reads the body
            if (flushed && !*flushed) failure = flushed->error();
            if (failure) return result<std::size_t>(std::unexpect, failure);
        }
        return count;
    }
};

class incoming_source final : public body_source {
public:
    explicit incoming_source(std::shared_ptr<incoming_body> from) noexcept : from_(std::move(from)) {}
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        return from_->poll_read(cx, into);
    }

private:
    std::shared_ptr<incoming_body> from_;
};

/// Detaches the body of a request from the connection when it is destroyed.
class detaching {
public:
    explicit detaching(const std::shared_ptr<incoming_body>& from) noexcept : from_(from) {}
    detaching(const detaching&) = delete;
    detaching& operator=(const detaching&) = delete;
    ~detaching() {
        if (from_) from_->detach();
    }

private:
    const std::shared_ptr<incoming_body>& from_;
};

/// Returns the status for a client whose body could not be received.
status status_of(const std::error_code& failure) noexcept {
    if (failure == http::errc::body_too_large) return status::content_too_large;
    if (failure == http::errc::bad_message || failure == http::errc::body_too_short) return status::bad_request;
    if (failure == errc::timed_out) return status::request_timeout;
    return status::internal_server_error;
}

/// Returns the status for an error of the service. It may read the body with a limit of its own.
status status_of_service(const std::error_code& failure) noexcept {
    return failure == http::errc::body_too_large ? status::content_too_large : status::internal_server_error;
}

status status_of(head_scanner::outcome outcome) noexcept {
    switch (outcome) {
    case head_scanner::outcome::line_too_long: return status::uri_too_long;
    case head_scanner::outcome::too_large: return status::request_header_fields_too_large;
    default: return status::bad_request;
    }
}

/// Errors: throws `misuse` for a status that would not be the end of a response, or that has no three digits.
void check_status(status code) {
    if (to_int(code) < 200 || to_int(code) > 999)
        throw misuse("the service returned a response with an invalid status: use one from 200 to 999");
}

class server_connection {
public:
    server_connection(io::boxed_stream&& stream, std::shared_ptr<const http_server>&& server,
                      std::optional<net::socket_addr> peer, std::optional<net::serve_connection>&& connection)
        : server_(std::move(server)),
          stream_(std::move(stream), server_->options.io_timeout()),
          peer_(peer),
          connection_(std::move(connection)) {
        limits_.bytes = server_->options.header_limit();
        limits_.fields = server_->options.max_headers();
    }

    task<result<void>> run() {
        for (std::uint64_t number = 1;; ++number) {
            if (stream_.in().empty()) {
                auto waiting = poll_fn([this](context& cx) { return poll_first_bytes(cx); });
                const auto count = co_await waiting;
                if (!count || *count == 0) co_return ok();
            }
            head_scanner scanner;
            auto outcome = scanner.scan(stream_.in(), limits_.bytes);
            if (outcome == head_scanner::outcome::incomplete) {
                const auto rest = co_await read_head(scanner);
                if (!rest) co_return ok();
                outcome = *rest;
            }
            if (outcome == head_scanner::outcome::incomplete) co_return co_await refuse(status::request_timeout);
            if (outcome != head_scanner::outcome::complete) co_return co_await refuse(status_of(outcome));
            is_last_ = number == server_->options.max_requests();
            const auto next = co_await answer_one(scanner);
            if (!next) co_return std::unexpected(next.error());
            if (!*next) co_return ok();
        }
    }

private:
    /// Sends the collected responses, then waits for the next request. The connection is idle only if it must wait.
    poll_result<result<std::size_t>> poll_first_bytes(context& cx) {
        if (stream_.has_unsent()) {
            const auto flushed = stream_.poll_flush(cx);
            if (!flushed) return not_ready;
            if (!*flushed) return result<std::size_t>(std::unexpect, flushed->error());
        }
        auto count = stream_.poll_fill_idle(cx);
        if (count) {
            idle_.reset();
        } else if (shuts_down_idle(cx)) {
            return eddy::ok(std::size_t{0});
        } else if (!idle_) {
            stream_.release_memory();
            if (connection_) idle_.emplace(connection_->idle());
        }
        return count;
    }

    /// Whether to close the idle connection for a shutdown. With net::serve(), that aborts it instead.
    bool shuts_down_idle(context& cx) {
        const auto& token = server_->options.connections().shutdown();
        if (connection_ || !token) return false;
        if (!told_) told_.emplace(token->cancelled_owned());
        return told_->poll(cx).is_ready();
    }

    /// Receives the rest of a head. Returns `incomplete` if that takes too long.
    /// Errors: those of the connection; unexpected_eof.
    task<result<head_scanner::outcome>> read_head(head_scanner& scanner) {
        auto rest = read_rest(scanner);
        auto limited = time::timeout(server_->options.header_timeout(), std::move(rest));
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
            const auto outcome = scanner.scan(stream_.in(), limits_.bytes);
            if (outcome != head_scanner::outcome::incomplete) co_return outcome;
        }
    }

    /// Answers the request whose head is complete. Returns whether the connection can be used for another one.
    /// Errors: those of the service.
    task<result<bool>> answer_one(head_scanner scanner) {
        request_head head;
        const auto text = stream_.in().substr(scanner.begin(), scanner.end() - scanner.begin());
        auto refused = parse_request_head(text, limits_, head);
        if (!refused && head.framing.length > server_->options.body_limit()) refused = status::content_too_large;
        if (refused) {
            static_cast<void>(co_await refuse(*refused, head.method));
            co_return false;
        }
        stream_.consume(scanner.end());
        response_context context;
        context.asked = head.method;
        context.version = head.version;
        context.keeps_alive = head.keeps_alive && !is_last_;

        std::shared_ptr<incoming_body> incoming;
        const detaching at_end(incoming);
        auto asked = request_of(std::move(head), incoming);
        result<http::response> answer = std::unexpected(std::error_code());
        std::exception_ptr thrown;
        try {
            auto working = server_->answer(std::move(asked));
            answer = co_await answering(*this, working, incoming.get());
            if (answer) check_status(answer->status);
        } catch (...) {
            thrown = std::current_exception();
        }
        const auto failure = thrown || answer ? std::error_code() : answer.error();
        if (thrown || !answer) {
            answer = http::response(incoming && incoming->failure ? status_of(incoming->failure)
                                                                  : status_of_service(failure));
            context.keeps_alive = false;
        }
        const bool can_continue = co_await send(*answer, context, incoming);
        if (thrown) std::rethrow_exception(thrown);
        if (failure) co_return std::unexpected(failure);
        if (stream_.body_failure()) co_return std::unexpected(stream_.body_failure());
        co_return can_continue;
    }

    http::request request_of(request_head&& head, std::shared_ptr<incoming_body>& incoming) {
        http::request asked;
        asked.method = head.method;
        asked.target = std::move(head.target);
        asked.version = head.version;
        asked.headers = std::move(head.headers);
        asked.peer = peer_;
        using kind = body_framing::kind;
        if (head.framing.is == kind::length && head.framing.length <= stream_.in().size()) {
            const auto size = static_cast<std::size_t>(head.framing.length);
            if (size != 0) asked.body = http::body(stream_.in().substr(0, size));
            stream_.consume(size);
        } else if (head.framing.is != kind::none) {
            incoming = std::make_shared<incoming_body>(stream_, head.framing, server_->options.body_limit(),
                                                       head.expects_continue);
            const auto size = head.framing.is == kind::length ? std::optional(head.framing.length) : std::nullopt;
            asked.body = http::body::from_source(std::make_unique<incoming_source>(incoming), size);
        }
        return asked;
    }

    /// Polls the service. While it waits, sends the responses that were collected before.
    class answering : public future_ops<answering> {
    public:
        using output_type = result<http::response>;

        answering(server_connection& on, task<result<http::response>>& work, incoming_body* body) noexcept
            : on_(on), work_(work), body_(body) {}

        poll_result<output_type> poll(context& cx) {
            auto answer = work_.poll(cx);
            if (!answer) flush(cx);
            return answer;
        }
        poll_result<void> poll_cancel(context& cx) {
            if (!poll_cancel_child(&work_, cx)) return not_ready;
            return poll_result<void>::ready();
        }

    private:
        void flush(context& cx) {
            std::unique_lock<mutex> guard;
            if (body_ != nullptr) guard = std::unique_lock(body_->lock);
            // An error is not lost: sending the response fails, too.
            if (on_.stream_.has_unsent()) static_cast<void>(on_.stream_.poll_flush(cx));
        }

        server_connection& on_;
        task<result<http::response>>& work_;
        incoming_body* body_;  // null if there is none
    };

    [[nodiscard]] bool shuts_down() const noexcept {
        const auto& token = server_->options.connections().shutdown();
        return token && token->is_cancelled();
    }

    /// Sends a response. Returns whether the connection can be used for another request.
    task<bool> send(http::response& answer, response_context context, std::shared_ptr<incoming_body> incoming) {
        if (answer.status == status::reset_content) answer.body = http::body();
        if (incoming && answer.body.in_memory() != nullptr) {
            incoming->detach();
        } else if (incoming) {
            incoming->ask();  // the body of the response may be that of the request
        }
        const bool waits_for_continue = incoming && incoming->expects_continue;
        const bool has_failed = incoming && incoming->failure;
        if (waits_for_continue || has_failed || shuts_down() || answer.headers.has_token("Connection", "close"))
            context.keeps_alive = false;
        // A client must not send its next request on a connection that is closed because of the unread body.
        const bool is_read = !incoming || answer.body.in_memory() == nullptr;
        if (!is_read && incoming->decoder.left() > most_discarded) context.keeps_alive = false;
        if (incoming) incoming->expects_continue = false;
        const auto framing = write_response_head(stream_.out(), answer, context);
        const auto* const content = answer.body.in_memory();
        if (content != nullptr && content->size() < most_collected) {
            if (framing.is != body_framing::kind::none) stream_.out().append(content->text());
        } else if (framing.is != body_framing::kind::none) {
            const auto sent = co_await stream_.send_body(answer.body, framing);
            if (!sent) co_return false;
        }
        if (incoming) incoming->detach();
        const bool was_read = !incoming || incoming->decoder.is_finished();
        if (!context.keeps_alive || (incoming && incoming->failure)) {
            co_await end(was_read);
            co_return false;
        }
        if (stream_.out().size() > most_collected || !was_read) {
            const auto flushed = co_await stream_.flush();
            if (!flushed) co_return false;
        }
        if (was_read) co_return true;
        const bool discarded = co_await stream_.discard_body(incoming->decoder, most_discarded);
        if (!discarded) co_await end(false);
        co_return discarded;
    }

    /// Sends the collected bytes and closes the connection.
    task<void> end(bool was_read) {
        if (was_read && stream_.in().empty()) {
            co_await stream_.close();
        } else {
            co_await stream_.close_gracefully(close_limit);
        }
    }

    /// Answers with an error status and closes the connection.
    task<result<void>> refuse(status why, http::method asked = http::method::get) {
        response_context context;
        context.asked = asked;
        context.keeps_alive = false;
        const auto answer = http::response::text(std::string(http::reason_of(why)) + "\n", why);
        const auto framing = write_response_head(stream_.out(), answer, context);
        if (framing.is != body_framing::kind::none) stream_.out().append(answer.body.in_memory()->text());
        co_await stream_.close_gracefully(close_limit);
        co_return ok();
    }

    std::shared_ptr<const http_server> server_;
    message_stream stream_;
    std::optional<net::socket_addr> peer_;
    std::optional<net::serve_connection> connection_;
    std::optional<net::serve_connection::idle_time> idle_;
    std::optional<sync::cancellation_token::owned_cancelled_future> told_;  // see shuts_down_idle()
    head_limits limits_;
    bool is_last_ = false;
};

}  // namespace

task<result<void>> serve_http(io::boxed_stream stream, std::shared_ptr<const http_server> server,
                              std::optional<net::socket_addr> peer, std::optional<net::serve_connection> connection) {
    server_connection serving(std::move(stream), std::move(server), peer, std::move(connection));
    co_return co_await serving.run();
}

}  // namespace eddy::detail
