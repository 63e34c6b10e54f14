// SPDX-License-Identifier: MIT
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/wait_shape.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/h1.hpp>
#include <eddy/http/serve.hpp>
#include <eddy/http/switch_protocols.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

#include "h2/http2.hpp"
#include "message/syntax.hpp"
#include "server/server_exchange.hpp"

// One HTTP/1.1 connection of a server: http::h1::server_engine, the transport, and the calls of the service.

namespace eddy::detail {

std::shared_ptr<server_memory> make_server_memory() { return std::make_shared<server_memory>(); }

namespace {

using http::status;

constexpr auto close_limit = std::chrono::seconds(2);

/// The start of the preface of HTTP/2 (RFC 9113, section 3.4). nghttp2 checks the rest.
constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n\r\n";

/// A connection of a server: a future.
///
///     phase       waits for                                        then
///     idle        sending the collected responses, then bytes      head; over
///     head        the rest of the head                             answering; refused: closing; the preface: over
///     answering   the service. Receives ahead, to notice that      sending; a short response: as after sending; a
///                 the client goes away                             response 101: discarding or switching; the client
///                                                                  has gone: cancelling
///     cancelling  the end of the service                           closing; over
///     sending     the reader of the response's body, the client    idle; discarding; closing; over
///     discarding  the rest of the request's body                   idle; closing; before a response 101: switching
///     switching   sending the response 101                         over
///     closing     sending everything, and the end of the client    over
///
/// Requests are answered one after the other. Further requests that the client has sent (pipelining) stay in the
/// buffer. Responses to them are collected as long as the service does not wait.
///
/// There is one function for each phase, and none of them is a coroutine. So a usual request costs neither a coroutine
/// frame nor a suspension, and goes from `idle` to `idle` in one poll.
class server_connection {
public:
    using output_type = void;

    server_connection(message_stream&& stream, std::shared_ptr<const http_server>&& server,
                      std::optional<net::socket_addr> peer, std::optional<net::serve_connection>&& connection,
                      bool may_be_http2)
        : server_(std::move(server)),
          stream_(std::move(stream)),
          peer_(peer),
          connection_(std::move(connection)),
          may_be_http2_(may_be_http2) {}

    EDDY_WAIT_SHAPE(server_connection, adaptor_of(in_phase<phase::idle, Its>(), in_phase<phase::head, Its>(),
                                                  in_phase<phase::answering, Its>(), in_phase<phase::cancelling, Its>(),
                                                  in_phase<phase::sending, Its>(), in_phase<phase::discarding, Its>(),
                                                  in_phase<phase::switching, Its>(), in_phase<phase::closing, Its>()));

    /// Serves requests until the connection ends, or another protocol follows.
    poll_result<void> poll(context& cx) {
        while (at_ != phase::over)
            if (!poll_phase(cx)) return not_ready;
        return poll_result<void>::ready();
    }
    /// net::serve() cancels connections that have been idle for too long, and all of them at the end of a shutdown.
    poll_result<void> poll_cancel(context& cx) {
        if (at_ == phase::idle) stream_.end_writing(cx);
        if (at_ != phase::answering && at_ != phase::cancelling) return poll_result<void>::ready();
        exchange_->detach();  // another task may wait for the body, and the service for that task
        if (!exchange_->call.poll_cancel(cx)) return not_ready;
        if (const auto thrown = std::exchange(exchange_->call.thrown, nullptr)) std::rethrow_exception(thrown);
        return poll_result<void>::ready();
    }

    // ---- After the end ----

    /// Returns whether HTTP/2 follows.
    [[nodiscard]] bool is_http2() const noexcept { return is_http2_; }
    /// Continues with HTTP/2.
    task<result<void>> serve_as_http2() && {
        exchange_.reset();
        const auto until = timer_ ? timer_->deadline() : time::deadline_after(options().header_timeout());
        return serve_http2(std::move(stream_), std::move(server_), peer_, std::move(connection_), until);
    }

    /// Returns the protocol that follows after a response 101, or null.
    [[nodiscard]] std::shared_ptr<http_upgrade> take_upgrade() noexcept {
        if (!exchange_ || !exchange_->has_switched) return nullptr;
        auto next = std::move(exchange_->call.answer().upgrade);
        exchange_.reset();
        return next;
    }
    /// Passes the connection to that protocol.
    /// Errors: those of the protocol.
    task<result<void>> serve_upgraded(http_upgrade& next);

    /// Returns the error of the last service, or of the body of its response, or throws its exception.
    [[nodiscard]] result<void> outcome() const {
        if (!exchange_) return ok();
        if (exchange_->call.thrown) std::rethrow_exception(exchange_->call.thrown);
        if (exchange_->failure) return std::unexpected(exchange_->failure);
        return ok();
    }

    // ---- For body_sender ----

    [[nodiscard]] std::unique_lock<mutex> lock() const {
        return exchange_->incoming ? exchange_->incoming->guard() : std::unique_lock<mutex>();
    }
    poll_result<result<void>> poll_flush(context& cx) {
        return exchange_->incoming ? exchange_->incoming->poll_flush(cx) : stream_.poll_flush(cx);
    }
    [[nodiscard]] std::error_code poll_waiting(context& cx, const http::body& from) {
        const bool has_gone = poll_client_gone(cx) || (stream_.has_ended() && body_access::ends_with_peer(from));
        return has_gone ? make_error_code(errc::unexpected_eof) : std::error_code();
    }

private:
    enum class phase : unsigned char {
        idle,
        head,
        answering,
        cancelling,
        sending,
        discarding,
        switching,
        closing,
        over
    };
    using event = http::h1::engine::event;
    static constexpr bool waits = false;

    /// What the connection waits for in a phase. While the service works, its frames follow.
    template <phase At, class Its>
    struct wait_in {
        static constexpr auto wait_shape() noexcept {
            EDDY_BEGIN_OFFSETS
            if constexpr (At == phase::idle) {
                return named_wait("the next request of an HTTP client", EDDY_IO_CHILD(stream_, read));
            } else if constexpr (At == phase::head) {
                return named_wait("the rest of an HTTP request's head", EDDY_IO_CHILD(stream_, read));
            } else if constexpr (At == phase::sending) {
                constexpr auto reads = EDDY_OFFSET(Its, is_reading_body_);
                return named_wait(
                    "the transfer of an HTTP response",
                    child_if(child_behind<server_exchange::body_of_response>(EDDY_OFFSET(Its, exchange_), "body"),
                             reads, 1),
                    child_if(EDDY_IO_CHILD(stream_, write), reads, 0));
            } else if constexpr (At == phase::discarding) {
                return named_wait("the rest of an HTTP request's body", EDDY_IO_CHILD(stream_, read));
            } else if constexpr (At == phase::switching) {
                return named_wait("the transfer of an HTTP response", EDDY_IO_CHILD(stream_, write));
            } else if constexpr (At == phase::closing) {
                return named_wait("the end of an HTTP connection", EDDY_IO_CHILD(stream_, read));
            } else {
                return adaptor_of(EDDY_CHILD(exchange_));
            }
            EDDY_END_OFFSETS
        }
    };
    template <phase At, class Its>
    static constexpr child_record in_phase() noexcept {
        EDDY_BEGIN_OFFSETS
        return child_if(child_at<wait_in<At, Its>>(0), EDDY_OFFSET(Its, at_), static_cast<std::uint32_t>(At));
        EDDY_END_OFFSETS
    }

    bool enter(phase next) noexcept {
        at_ = next;
        return true;
    }

    using cancelled_future = sync::cancellation_token::owned_cancelled_future;

    [[nodiscard]] const http::serve_options& options() const noexcept { return server_->options; }

    /// Polls the current phase, and enters the next one. Returns false if the phase waits.
    bool poll_phase(context& cx) {
        switch (at_) {
        case phase::idle: return poll_idle(cx);
        case phase::head: return poll_head(cx, *exchange_);
        case phase::answering: return poll_answering(cx, *exchange_);
        case phase::cancelling: return poll_cancelling(cx, *exchange_);
        case phase::sending: return poll_sending(cx, *exchange_);
        case phase::discarding: return poll_discarding(cx, *exchange_);
        case phase::switching: return poll_switching(cx, *exchange_);
        case phase::closing: return poll_closing(cx, *exchange_);
        case phase::over: break;
        }
        return true;
    }

    // ---- idle ----

    bool poll_idle(context& cx) {
        const bool has_next = !stream_.in().empty();
        if (!has_next || stream_.collected() > body_sender::most_unsent) {
            const auto flushed = stream_.poll_flush(cx);
            if (!flushed) return waits;
            if (!*flushed) return end_idle(cx);
        }
        if (has_next) {
            exchange_.reset(pool_new<server_exchange>(limits()));
            return parse_head(cx, *exchange_);
        }
        // On the stack, so that a waiting connection owns no large buffer. Most requests arrive in one piece: then no
        // byte is copied to the buffer.
        std::array<std::byte, message_stream::read_size> scratch;  // NOLINT(cppcoreguidelines-pro-type-member-init)
        const auto count = stream_.poll_receive_idle(cx, scratch);
        if (!count) return wait_idle(cx);
        if (!*count || **count == 0) return end_idle(cx);
        idle_.end();
        exchange_.reset(pool_new<server_exchange>(limits()));
        // SAFETY: bytes may be read as char.
        std::string_view input(reinterpret_cast<const char*>(scratch.data()), **count);
        const auto found = parse(*exchange_, input);
        stream_.keep(input);
        return head_received(cx, *exchange_, found);
    }

    /// Ends the connection if it has waited for too long. Otherwise releases what it does not need while it waits.
    bool wait_idle(context& cx) {
        const bool is_late = requests_ == 0 && poll_late(cx, options().header_timeout());
        if (is_late || poll_shutdown(cx)) return end_idle(cx);
        stream_.release_buffers();
        if (connection_) idle_.begin(connection_->state());
        return waits;
    }

    bool end_idle(context& cx) noexcept {
        stream_.end_writing(cx);
        return enter(phase::over);
    }

    /// Returns whether the idle connection must be closed because of a shutdown. Returns false with net::serve(), which
    /// cancels idle connections itself.
    [[nodiscard]] bool poll_shutdown(context& cx) {
        const auto& token = options().connections().shutdown();
        if (connection_ || !token) return false;
        if (!told_) told_ = std::make_unique<cancelled_future>(token->cancelled_owned());
        return told_->poll(cx).is_ready();
    }

    /// Returns whether `limit` has passed since the first call, or since the first one after timer_ was reset. The time
    /// for the first head of a connection begins when the connection is accepted.
    [[nodiscard]] bool poll_late(context& cx, std::chrono::nanoseconds limit) {
        if (!timer_) timer_.reset(pool_new<time::sleep_future>(time::deadline_after(limit)));
        context own(cx.waker());  // a client that sends without a pause uses up the coop budget in each poll
        return timer_->poll(own).is_ready();
    }

    [[nodiscard]] http::h1::limits limits() const noexcept {
        http::h1::limits of;
        of.head_bytes = options().header_limit();
        of.headers = options().max_headers();
        of.body_bytes = options().body_limit();
        return of;
    }

    // ---- head ----

    bool poll_head(context& cx, server_exchange& it) {
        const auto more = poll_more(cx);
        if (!more) return poll_late(cx, options().header_timeout()) && refuse(it, status::request_timeout);
        if (!*more) return enter(phase::over);
        return parse_head(cx, it);
    }

    bool parse_head(context& cx, server_exchange& it) {
        auto input = stream_.in();
        const auto found = parse(it, input);
        stream_.consume_until(input);
        return head_received(cx, it, found);
    }

    /// Same as server_engine::receive(), but looks for the preface of HTTP/2 before.
    event parse(server_exchange& it, std::string_view& input) {
        if (may_be_http2_) {
            is_http2_ = input.starts_with(http2_preface);
            may_be_http2_ = http2_preface.starts_with(input);
            if (is_http2_ || may_be_http2_) return event::incomplete;
        }
        return it.engine.receive(input);
    }

    bool head_received(context& cx, server_exchange& it, event found) {
        if (found == event::head) return begin(cx, it);
        if (found == event::failed) return refuse(it, it.engine.refusal());
        return enter(is_http2_ ? phase::over : phase::head);
    }

    /// Sends what was collected, and receives bytes. Returns false if the connection has ended or failed.
    poll_result<bool> poll_more(context& cx) {
        const auto flushed = stream_.poll_flush(cx);
        if (!flushed) return not_ready;
        if (!*flushed) return false;
        const auto count = stream_.poll_fill_idle(cx);
        if (!count) return not_ready;
        return *count && **count != 0;
    }

    /// Answers with an error status.
    bool refuse(server_exchange& it, status why) {
        auto line = stream_.in();  // it may be malformed or incomplete
        if (line.starts_with("\r\n")) line.remove_prefix(2);
        line = line.substr(0, line.find_first_of("\r\n"));
        auto method = line.contains(' ') ? take_part(line, ' ') : std::string_view();
        if (!is_token(method)) method = line = {};
        note_refusal(options(), why, method, take_part(line, ' '), peer_);
        it.engine.write_refusal(stream_.out(), why);
        return close(it, true);
    }

    /// Calls the service.
    bool begin(context& cx, server_exchange& it) {
        timer_.reset();
        auto& asked = it.engine.request();
        it.is_last = !it.engine.keeps_alive();
        if (++requests_ == options().max_requests()) it.engine.close();
        it.call.name.set(asked.method, asked.target);
        it.call.begin(*server_);
        try {
            if (it.engine.asks_for_upgrade()) it.add_upgrade();
            if (!it.engine.has_received()) add_body(it);
            it.call.start(*server_, std::move(asked), peer_);
        } catch (...) {
            it.call.fail();
        }
        at_ = phase::answering;
        return poll_answering(cx, it);
    }

    /// Adds the body that follows a head.
    void add_body(server_exchange& it) {
        auto input = stream_.in();
        if (const auto whole = it.engine.take_body(input)) {
            it.engine.request().body = http::body(*whole);
            stream_.consume_until(input);
            return;
        }
        body_timer limits(rate_limits(options()), options().header_timeout());
        it.incoming = std::make_shared<incoming_body>(stream_, it.engine, std::move(limits));
        it.engine.request().body = it.incoming->make_body();
    }

    // ---- answering, cancelling ----

    bool poll_answering(context& cx, server_exchange& it) {
        if (it.incoming) it.incoming->set_connection(cx.waker());
        if (it.call.poll(cx)) return respond(it);
        try {
            // An error of this flush is not lost: sending the response fails, too.
            static_cast<void>(poll_flush(cx));
            if (it.is_gone || !poll_client_gone(cx)) return waits;
        } catch (...) {
            it.call.fail();
            return respond(it);
        }
        it.is_gone = true;
        it.call.client->leave();
        if (it.call.client->is_watched()) return waits;  // the service decides itself how it ends
        return enter(phase::cancelling);
    }

    /// Returns whether the client has gone. Otherwise wakes the task when that may have changed.
    [[nodiscard]] bool poll_client_gone(context& cx) {
        const bool may_half_close = options().half_close();
        if (exchange_->incoming) return exchange_->incoming->poll_client_gone(cx, may_half_close);
        static_cast<void>(stream_.poll_ahead(cx, most_ahead));
        return stream_.is_broken() || (stream_.has_ended() && !may_half_close);
    }

    bool poll_cancelling(context& cx, server_exchange& it) {
        if (!it.call.poll_cancel(cx)) return waits;
        if (it.call.thrown) report(it);
        it.detach();  // first, because another task may read the body
        if (stream_.is_broken() || stream_.has_unsent()) return enter(phase::over);
        return close(it, false);
    }

    void report(const server_exchange& it) {
        if (connection_) connection_->state().set_failed_work(it.call.name.text());
    }

    // ---- The response ----

    bool respond(server_exchange& it) {
        if (it.call.has_failed()) {
            if (it.keep_failure(it.call.error.value_or(std::error_code()))) report(it);
            it.answer_failure();
        }
        return it.call.answer().upgrade ? prepare_switch(it) : write(it);
    }

    bool write(server_exchange& it) {
        it.hold(options(), peer_);
        it.call.count();
        if (shuts_down() || it.is_gone) it.engine.close();
        it.write(stream_.out());
        return it.sender ? enter(phase::sending) : finish(it);
    }

    [[nodiscard]] bool shuts_down() const noexcept {
        const auto& token = options().connections().shutdown();
        return token && token->is_cancelled();
    }

    bool poll_sending(context& cx, server_exchange& it) {
        if (it.incoming) it.incoming->set_connection(cx.waker());
        poll_result<result<void>> sent = not_ready;
        try {
            sent = it.sender->poll(cx, it.call.answer().body, it.engine, stream_, *this);
            is_reading_body_ = it.sender->is_reading();
        } catch (...) {
            it.call.thrown = std::current_exception();
            return cut(it);
        }
        if (!sent) return waits;
        if (it.sender->failure()) return cut(it);
        return *sent ? finish(it) : enter(phase::over);
    }

    /// Closes the connection after the reader of a response body has failed. First sends what was collected: responses
    /// to earlier requests, and the beginning of this one.
    bool cut(server_exchange& it) {
        if (it.keep_failure(it.sender->failure())) report(it);
        it.detach();
        it.call.drop_body();
        // Such a body ends when the connection closes, so a clean close would make it look complete.
        return it.engine.sends_until_end() ? enter(phase::over) : close(it, true);
    }

    /// Decides how the connection continues after a response.
    bool finish(server_exchange& it) {
        it.call.is_answered = true;
        it.detach();
        const bool was_read = it.engine.has_received();
        const bool keeps_alive = it.engine.keeps_alive() && !it.body_failure;
        if (keeps_alive && was_read) {
            exchange_.reset();
            return enter(phase::idle);
        }
        it.call.drop_body();
        return keeps_alive ? enter(phase::discarding) : close(it, !it.is_last || !was_read || !stream_.in().empty());
    }

    // ---- discarding, switching ----

    bool poll_discarding(context& cx, server_exchange& it);
    poll_result<std::error_code> poll_discard(context& cx, server_exchange& it);
    bool prepare_switch(server_exchange& it);
    bool refuse_switch(server_exchange& it);
    bool switch_protocols(server_exchange& it);
    bool poll_switching(context& cx, server_exchange& it);

    // ---- closing ----

    /// Begins to close the connection. With `lingers`, it has unread bytes, or may get some.
    bool close(server_exchange& it, bool lingers) {
        it.end.emplace(stream_, lingers ? std::optional<std::chrono::nanoseconds>(close_limit) : std::nullopt);
        return enter(phase::closing);
    }

    bool poll_closing(context& cx, server_exchange& it) {
        if (!it.end->poll(cx)) return waits;
        return enter(phase::over);
    }

    std::shared_ptr<const http_server> server_;
    message_stream stream_;
    std::optional<net::socket_addr> peer_;
    std::optional<net::serve_connection> connection_;
    idle_mark idle_;                          // declared after connection_, whose state it refers to
    std::unique_ptr<cancelled_future> told_;  // see poll_shutdown()
    pool_box<server_exchange> exchange_;      // null while the connection is idle. Refers to stream_
    pool_box<time::sleep_future> timer_;      // see poll_late()
    std::uint64_t requests_ = 0;              // number of requests for which the service was called
    phase at_ = phase::idle;
    bool is_reading_body_ = false;  // in the phase `sending`
    bool may_be_http2_;             // the received bytes may be the preface
    bool is_http2_ = false;
};

// ---- discarding, switching ----

/// Receives the part of a body that the service has not read, for a limited time.
bool server_connection::poll_discarding(context& cx, server_exchange& it) {
    const auto flushed = stream_.poll_flush(cx);
    if (!flushed) return waits;
    std::error_code failure = *flushed ? std::error_code() : flushed->error();
    if (!failure) {
        const auto discarded = poll_discard(cx, it);
        if (!discarded && !poll_late(cx, options().io_timeout())) return waits;
        failure = discarded ? *discarded : make_error_code(errc::timed_out);
    }
    timer_.reset();
    if (it.call.answer().upgrade) {
        if (!failure) return switch_protocols(it);
        it.body_failure = failure;
        return refuse_switch(it);
    }
    if (failure) return close(it, true);
    exchange_.reset();
    return enter(phase::idle);
}

poll_result<std::error_code> server_connection::poll_discard(context& cx, server_exchange& it) {
    std::array<std::byte, message_stream::read_size> scratch;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    for (;;) {
        const auto count = stream_.poll_body(cx, it.engine, scratch);
        if (!count) return not_ready;
        if (!*count) return count->error();
        if (**count == 0) return std::error_code();
        it.discarded += **count;
        if (it.discarded > server_exchange::most_discarded) return make_error_code(http::errc::body_too_large);
    }
}

/// Discards the rest of the request before a response 101, because the new protocol begins after it.
bool server_connection::prepare_switch(server_exchange& it) {
    it.detach();
    if (it.body_failure) return refuse_switch(it);
    if (it.engine.has_received()) return switch_protocols(it);
    // RFC 9110, section 7.8: a client that waits for the response 100 gets it before the response 101.
    it.engine.write_continue(stream_.out());
    return enter(phase::discarding);
}

bool server_connection::refuse_switch(server_exchange& it) {
    it.answer_failure();
    return write(it);
}

bool server_connection::switch_protocols(server_exchange& it) {
    auto& answer = it.call.answer();
    it.call.count();
    it.call.is_answered = true;
    it.engine.write_switch(stream_.out(), answer);
    if (connection_) answer.upgrade->asked = it.call.name.text();
    return enter(phase::switching);
}

bool server_connection::poll_switching(context& cx, server_exchange& it) {
    const auto flushed = stream_.poll_flush(cx);
    if (!flushed) return waits;
    it.has_switched = flushed->has_value();
    return enter(phase::over);
}

// ---- The task ----

task<result<void>> server_connection::serve_upgraded(http_upgrade& next) {
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

/// Serves a connection. While it is idle, it waits in this coroutine frame.
task<result<void>> serve_requests(server_connection connection) {
    co_await connection;
    if (connection.is_http2()) co_return co_await std::move(connection).serve_as_http2();
    if (const auto upgrade = connection.take_upgrade()) co_return co_await connection.serve_upgraded(*upgrade);
    co_return connection.outcome();
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

task<result<void>> as_result_task(task<void> work) {
    co_await std::move(work);
    co_return ok();
}

task<result<void>> serve_http(http_transport stream, http_protocol protocol, std::shared_ptr<const http_server> server,
                              std::optional<net::socket_addr> peer, std::optional<net::serve_connection> connection) {
    const auto counters = server_access::counters(server->options);
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
