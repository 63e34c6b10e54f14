// SPDX-License-Identifier: MIT
#pragma once

#include <nghttp2/nghttp2.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/future/future.hpp>
#include <eddy/http/client.hpp>
#include <eddy/time/clock.hpp>

#include "client/http2_call.hpp"
#include "h2/session.hpp"

namespace eddy::detail {

/// One HTTP/2 connection of a client. It runs in a task of its own, because several requests share it.
///
///     requests ──> http2_link ──> waiting_ ──a stream is free──> open_ ──closed──> (removed)
///                                    │ GOAWAY, or the end of the connection
///                                    └──> failed; the client repeats it on another connection
///
/// A turn receives frames, which fill the answers and bodies of the calls. It then processes new and changed calls,
/// opens streams, and writes the frames. The task is woken by a call, the reader of a body, or a deadline.
///
/// See http2_session for the states. While the connection is open, GOAWAY and the end of the client lead to
/// `is_closing_`: the connection gets no further calls. So does `is_suspect_`, which ends when something is received:
/// see below.
///
/// Flow control: the window of a stream grows by the bytes that were read from its body. The window of the connection
/// grows as bytes arrive. If it did not, a response that is not read could block the other responses. So the unread
/// bytes of a connection have at most the size of a window for each of its requests.
///
/// Reuse: before the first request after an idle time, the connection looks at the socket, and first reads what the
/// server has sent. That may be its end, of which the driver does not know yet. Such a request is not sent, so it is
/// repeated on another connection even if it is POST.
///
/// Floods: frames that lead to nothing are counted as a server counts the frames of a client: see http2_allowances.
///
/// Liveness: a request may be dropped after it has waited for some time while nothing has arrived. Then the connection
/// sends PING, and gets no requests until it receives something.
class http2_client_connection final : public http2_session {
public:
    using output_type = bool;

    /// `socket` is the descriptor of the TCP connection below all layers, or -1.
    http2_client_connection(message_stream&& stream, int socket, std::shared_ptr<http2_link> link,
                            const http::client_options& options);
    ~http2_client_connection();

    /// Serves requests. At the end, returns whether the connection below can still be used.
    poll_result<bool> poll(context& cx);

    static constexpr auto wait_shape() {
        return inspect::named_wait(
            "the responses of an HTTP/2 connection",
            inspect::reader(member_of<http2_client_connection>(&http2_client_connection::stream_)));
    }

private:
    using call = http2_call;

    // Of http2_session:
    [[nodiscard]] bool work(context& cx) override;
    [[nodiscard]] bool wait(context& cx) override;
    [[nodiscard]] time::time_point check_deadlines() override;
    void output_lost() noexcept override;
    void begin_frame(const http2_frame_head& frame) noexcept override;
    void begin_head(const nghttp2_frame& frame) override;
    [[nodiscard]] bool add_field(http2_stream& one, std::string_view name, std::string_view value) override;
    void frame_received(const nghttp2_frame& frame, http2_stream* one) override;
    void data_received(http2_stream* one, std::string_view data) override;
    void frame_sent(const nghttp2_frame& frame) override;
    void frame_not_sent(const nghttp2_frame& frame, int why) override;
    void stream_closed(http2_stream& one, std::uint32_t why) override;
    [[nodiscard]] std::pair<std::size_t, bool> part_of(const http2_stream& one) const noexcept override {
        return link_->part_of(one);
    }
    void part_sent(http2_stream& one, std::size_t count) noexcept override;
    void send_timed_out(http2_stream& one) noexcept override;
    void receive_timed_out(http2_stream& one) noexcept override { reset(one, NGHTTP2_CANCEL); }

    // The parts of a turn:
    void take_news();
    void open_streams();
    [[nodiscard]] bool may_have_ended() const noexcept;

    // Calls:
    void add_waiting(std::shared_ptr<call> one);
    void open_stream(const std::shared_ptr<call>& one);
    void head_received(call& one);
    void cancel(call& one, std::error_code why) noexcept;
    void drop(call& one);
    // SAFETY: all streams of a client are calls.
    [[nodiscard]] static call& of(http2_stream& one) noexcept { return static_cast<call&>(one); }
    [[nodiscard]] std::shared_ptr<call> remove(const call& one) noexcept;
    [[nodiscard]] std::error_code reason_of(const call& one, std::uint32_t why) const noexcept;

    void close_to_calls() noexcept;
    void end_calls() noexcept;
    void fail_waiting(std::error_code why) noexcept;
    void fail_unsent(call& one, std::error_code why) noexcept;
    void send_ping();
    [[nodiscard]] time::time_point ping_deadline(time::time_point now);

    const std::shared_ptr<http2_link> link_;
    const int socket_;
    const std::chrono::nanoseconds idle_timeout_;
    const std::chrono::nanoseconds ping_interval_;
    const std::size_t header_limit_;
    std::deque<std::shared_ptr<call>> waiting_;
    std::vector<std::shared_ptr<call>> open_;
    time::time_point received_at_;  // the last received bytes
    time::time_point idle_since_;
    std::optional<time::time_point> pinged_at_;
    std::optional<time::time_point> lost_output_at_;
    std::uint32_t goaway_ = NGHTTP2_NO_ERROR;
    bool has_settings_ = false;
    bool has_free_stream_ = false;  // a stream has ended since open_streams()
    bool is_suspect_ = false;       // requests got no answer: see "Liveness"
    bool is_closing_ = false;       // the connection accepts no further requests
};

}  // namespace eddy::detail
