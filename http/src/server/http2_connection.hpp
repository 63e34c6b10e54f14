// SPDX-License-Identifier: MIT
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/future/future.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/serve.hpp>
#include <eddy/stream/futures_unordered.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/time/clock.hpp>

#include "h2/session.hpp"
#include "h2/window.hpp"
#include "server/http2_exchange.hpp"

namespace eddy::detail {

/// One HTTP/2 connection of a server.
///
///       client
///        │  ^                     one task: the connection
///     ┌──┼──┼──────────────────────────────────────────────────────────────────────┐
///     │  v  │                                                                      │
///     │ read│ write    (1) read up to 16 KiB, and give them to nghttp2             │
///     │  │  │              its callbacks make exchanges and fill bodies            │
///     │  v  │          (2) poll the woken handlers, which are children of the task │
///     │ nghttp2            they give responses to nghttp2                          │
///     │  │  ^          (3) give back the windows of what was read                  │
///     │  v  │          (4) collect up to 64 KiB of frames, and write them together │
///     │ exchanges ──> handlers                                                     │
///     └──────┬───────────────────────────────────────────────────────────────────  ┘
///            └ http2_body <── any task that reads the body of a request
///
/// A turn is (1) to (4), and work() is (1) to (3). The task is woken by a handler, the reader of a body, the shutdown
/// of the server, a deadline, memory that it had to give to others, or because its coop budget was used up.
///
/// | what                                  | used by                              |
/// |---------------------------------------|--------------------------------------|
/// | nghttp2's session, the exchanges      | this task: this class, and handlers  |
/// | the buffers and the connection below  | this task: this class                |
/// | http2_body, http2_mailbox             | any task, under the mailbox's lock   |
///
/// See http2_session for the states. While the connection is open, begin_drain() sends the notice of the end, and
/// end_drain() the last GOAWAY: after the answer to the PING that follows the notice, or after a time. Once it is
/// closed, the services that still run are cancelled.
///
/// Back-pressure: nothing is read while 64 KiB of frames wait to be written. Answers to PING and SETTINGS are such
/// frames. The unread bodies of all requests together have at most the window of the connection. See http2_window for
/// its size, and server_memory for the responses.
/// Limits that nghttp2 does not have: see http2_client_frames and http2_head. A service that is being cancelled still
/// counts as a request, so a client that resets streams quickly cannot have more requests at a time.
class http2_connection final : public http2_session {
    /// The element of exchanges_. Before wait_shape(), because Clang reads that in the order of the file.
    struct on_heap {
        std::unique_ptr<http2_exchange> one;
        static constexpr auto wait_shape() { return inspect::waits_as(&on_heap::one); }
    };

public:
    using output_type = bool;

    http2_connection(message_stream&& stream, accepted_connection&& accepted, time::time_point first_until);
    ~http2_connection();

    /// Serves requests. At the end, returns whether the connection below can still be used.
    poll_result<bool> poll(context& cx);

    static constexpr auto wait_shape() {
        return inspect::named_wait("the requests of an HTTP/2 connection",
                                   inspect::reader(member_of<http2_connection>(&http2_connection::stream_)),
                                   children_in_vector<on_heap>(offset_of(&http2_connection::exchanges_)));
    }

    /// Cancels the services, and tries to send GOAWAY.
    poll_result<void> poll_cancel(context& cx);

    /// Returns the first error of the service. Throws its first exception, if that came earlier.
    [[nodiscard]] result<void> outcome() const;

private:
    friend http2_work;

    // PING has 8 bytes, so that its answer can be told apart.
    static constexpr std::array<std::uint8_t, 8> window_probe = {'w', 'i', 'n', 'd', 'o', 'w', 0, 0};

    using exchange = http2_exchange;
    using phase = http2_exchange::phase;
    using cancelled_future = sync::cancellation_token::owned_cancelled_future;

    // Of http2_session:
    [[nodiscard]] bool work(context& cx) override;
    [[nodiscard]] bool wait(context& cx) override;
    [[nodiscard]] time::time_point check_deadlines() override;
    void output_lost() noexcept override { is_broken_ = true; }
    void begin_frame(const http2_frame_head& frame) noexcept override;
    void end_frame(const http2_frame_head& frame) noexcept override { frames_.end(frame); }
    void begin_head(const nghttp2_frame& frame) override;
    [[nodiscard]] bool add_field(http2_stream& one, std::string_view name, std::string_view value) override;
    void frame_received(const nghttp2_frame& frame, http2_stream* one) override;
    void data_received(http2_stream* one, std::string_view data) override;
    void frame_sent(const nghttp2_frame& frame) override;
    void frame_not_sent(const nghttp2_frame& frame, int why) override;
    void stream_closed(http2_stream& one, std::uint32_t why) override;
    void part_sent(http2_stream& one, std::size_t count) noexcept override;
    void send_timed_out(http2_stream& one) noexcept override { reset(one, NGHTTP2_CANCEL); }

    // The parts of a turn:
    [[nodiscard]] bool run_handlers(context& cx);
    void take_notes();
    void consume(std::int32_t stream, std::size_t bytes) noexcept;
    void send_probe() noexcept;
    void probe_answered() noexcept;
    void mark_idle();

    // Exchanges:
    void head_received(exchange& one, bool has_body);
    void start(exchange& one);
    poll_result<http2_exchange*> poll_exchange(exchange& one, context& cx);
    poll_result<void> poll_cancel_exchange(exchange& one, context& cx);
    [[nodiscard]] bool poll_service(exchange& one, context& cx);
    void hold(exchange& one);
    void begin_waits();
    void drop_unread();
    void respond(exchange& one);
    [[nodiscard]] bool poll_parts(exchange& one, context& cx);
    void detach_body(exchange& one) noexcept;

    void fail(std::error_code why, std::exception_ptr thrown);
    /// Same as above. The report names the request.
    void fail(const exchange& one, std::error_code why, std::exception_ptr thrown);
    [[nodiscard]] const http::serve_options& options() const noexcept { return accepted_.options(); }
    void begin_drain() noexcept;
    void end_drain() noexcept;
    void end_bodies() noexcept;
    static void tell_service(const exchange& one) noexcept;
    void submit_continue(std::int32_t stream) noexcept;
    // SAFETY: all streams of a server are exchanges.
    [[nodiscard]] static exchange& of(http2_stream& one) noexcept { return static_cast<exchange&>(one); }
    [[nodiscard]] exchange* exchange_of(std::int32_t stream) const noexcept {
        return static_cast<exchange*>(find(stream));
    }

    accepted_connection accepted_;
    std::shared_ptr<http2_mailbox> mailbox_;  // null until a request has a body
    memory_holder holder_;                    // declared before exchanges_, which have the shares
    std::vector<std::unique_ptr<exchange>> exchanges_;
    std::vector<exchange*> begun_;            // exchanges that are not yet among the handlers
    futures_unordered<http2_work> handlers_;  // declared after exchanges_, to which they refer
    std::unique_ptr<cancelled_future> told_;  // null if there is no token, or after its cancellation
    time::time_point drain_until_ = never;
    std::uint64_t requests_ = 0;
    http2_window window_;
    bool has_new_waits_ = false;  // of responses, since the end of the last turn
    http2_client_frames frames_;
    std::error_code failure_;    // the first error of the service
    std::exception_ptr thrown_;  // or its first exception
    bool drains_ = false;
    bool has_final_goaway_ = false;
    bool is_aborted_ = false;  // the task of the connection is being cancelled
};

}  // namespace eddy::detail
