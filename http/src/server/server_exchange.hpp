// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/future.hpp>
#include <eddy/http/h1.hpp>
#include <eddy/http/serve.hpp>
#include <eddy/http/status.hpp>
#include <eddy/http/switch_protocols.hpp>
#include <eddy/result.hpp>
#include <eddy/time/sleep.hpp>

#include "h1/body_sender.hpp"
#include "server/request_input.hpp"
#include "server/service_call.hpp"

namespace eddy::detail {

/// A connection of HTTP/1.1, which its requests use one after the other.
struct http1_link {
    /// Whether the first bytes of the connection are the preface of HTTP/2.
    enum class preface : unsigned char { excluded, possible, found };

    http1_link(message_stream&& transport, accepted_connection&& connection, bool may_be_http2) noexcept
        : accepted(std::move(connection)),
          stream(std::move(transport)),
          http2(may_be_http2 ? preface::possible : preface::excluded) {}

    /// Returns the limits of a request.
    [[nodiscard]] http::h1::limits limits() const noexcept {
        http::h1::limits of;
        of.head_bytes = accepted.options().header_limit();
        of.headers = accepted.options().max_headers();
        of.body_bytes = accepted.options().body_limit();
        return of;
    }
    /// Returns whether `limit` has passed since the first call, or since the first one after `timer` was reset. The
    /// time for the first head of a connection begins when the connection is accepted.
    [[nodiscard]] bool poll_late(context& cx, std::chrono::nanoseconds limit);
    /// Sends what was collected, and receives bytes. Returns false if the connection has ended or failed.
    poll_result<bool> poll_more(context& cx);

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &http1_link::stream); }

    accepted_connection accepted;
    message_stream stream;
    pool_box<time::sleep_future> timer;  // see poll_late()
    std::uint64_t requests = 0;          // number of requests for which the service was called
    preface http2;
};

/// A request of HTTP/1.1 and its response: a future, which is ready when the connection can be used for something else.
/// An idle connection has none.
///
///     phase       waits for                                        then
///     head        the rest of the head                             answering; refused: closing; the preface: over
///     answering   the service. Receives ahead, to notice that      sending; a short response: as after sending; a
///                 the client goes away                             response 101: discarding or sending; the client
///                                                                  has gone: cancelling
///     cancelling  the end of the service                           closing; over
///     sending     the reader of the response's body, the client    kept; discarding; closing; over; after a response
///                                                                  101: switched
///     discarding  the rest of the request's body                   kept; closing; before a response 101: sending
///     closing     sending everything, and the end of the client    over
///
/// There is one function for each phase, and none of them is a coroutine. So a usual request costs neither a coroutine
/// frame nor a suspension, and goes from `head` to `kept` in one poll.
class server_exchange : immovable {
public:
    using output_type = void;

    explicit server_exchange(http1_link& on) noexcept
        : on_(&on), engine_(on.limits()), input_(on.stream, engine_, on.accepted.options()) {}

    /// Parses the head, and removes it from the front of `input`. Call it before the first poll.
    void receive(std::string_view& input);
    poll_result<void> poll(context& cx);
    poll_result<void> poll_cancel(context& cx);

    // ---- After the end ----

    /// Returns whether the connection can be used for another request.
    [[nodiscard]] bool keeps_alive() const noexcept { return at_ == phase::kept; }
    /// Returns the protocol that follows after a response 101, or null.
    [[nodiscard]] std::shared_ptr<http_upgrade> take_upgrade() noexcept {
        return at_ == phase::switched ? std::move(call_.answer().upgrade) : nullptr;
    }
    /// Returns the error of the service, or of the body of its response, or throws its exception.
    [[nodiscard]] result<void> outcome() const;

    /// By the phase. While the service works, its frames follow.
    static constexpr auto wait_shape() {
        using its = server_exchange;
        using inspect::child_while, inspect::named_wait, inspect::part, inspect::reader, inspect::writer;
        constexpr auto head = [] { return named_wait("the rest of an HTTP request's head", reader(&its::on_)); };
        constexpr auto sending = [] {
            const auto body = service_call::response_body_in(&its::call_, "body");
            return named_wait("the transfer of an HTTP response", child_while(&its::is_reading_body_, true, body),
                              child_while(&its::is_reading_body_, false, writer(&its::on_)));
        };
        constexpr auto rest = [] { return named_wait("the rest of an HTTP request's body", reader(&its::on_)); };
        constexpr auto end = [] { return named_wait("the end of an HTTP connection", reader(&its::on_)); };
        const auto in = [](phase at, auto child) { return child_while(&its::at_, at, child); };
        return inspect::waits_as(in(phase::head, part<head>()), in(phase::answering, &its::call_),
                                 in(phase::cancelling, &its::call_), in(phase::sending, part<sending>()),
                                 in(phase::discarding, part<rest>()), in(phase::closing, part<end>()));
    }

private:
    enum class phase : unsigned char {
        head,
        answering,
        cancelling,
        sending,
        discarding,
        closing,
        kept,
        switched,
        over
    };
    using event = http::h1::engine::event;

    [[nodiscard]] const http::serve_options& options() const noexcept { return on_->accepted.options(); }

    // These enter the next phase. They return false if the phase waits.
    bool poll_head(context& cx);
    bool poll_answering(context& cx);
    bool poll_cancelling(context& cx);
    bool poll_sending(context& cx);
    bool poll_unread(context& cx);
    bool poll_discarding(context& cx);
    bool enter(phase next) noexcept;
    bool refuse(http::status why);
    bool begin(context& cx);
    bool respond();
    bool answer_failure(std::error_code of_body);
    bool write();
    bool finish();
    bool cut();
    bool switch_protocols(std::error_code failure);
    bool close(bool lingers);

    void keep_failure(std::error_code why);

    http1_link* on_;
    http::h1::server_engine engine_;
    memory_holder holder_;  // declared before call_, which has the share
    service_call call_;
    request_input input_;                // declared after call_: the use of the connection ends before the service
    std::optional<body_sender> sender_;  // null if the whole response is in the buffer
    std::optional<connection_end> end_;  // in the phase `closing`
    std::error_code failure_;            // for serve_options::on_error(); or call_.thrown
    std::uint64_t sent_before_ = 0;      // bytes of the connection, at the last poll in the phase `sending`
    event found_ = event::incomplete;    // in the phase `head`
    phase at_ = phase::head;
    bool is_last_ = false;          // the client sends no further request: it has sent "Connection: close"
    bool is_gone_ = false;          // the client has gone while the service worked
    bool is_reading_body_ = false;  // in the phase `sending`: waits for the reader of the response's body
};

}  // namespace eddy::detail
