// SPDX-License-Identifier: MIT
#pragma once

#include <nghttp2/nghttp2.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/future/future.hpp>
#include <eddy/http/client.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

#include "client/http2_call.hpp"
#include "h2/allowance.hpp"
#include "h2/frame_heads.hpp"
#include "h2/session.hpp"

namespace eddy::detail {

/// One HTTP/2 connection of a client. It runs in a task of its own, because several requests share it.
///
///     requests ──> http2_link ──> waiting_ ──a stream is free──> open_ ──closed──> (removed)
///                                    │ GOAWAY, or the end of the connection
///                                    └──> failed; the client repeats it on another connection
///
/// A turn reads bytes and gives them to nghttp2, whose callbacks fill the answers and bodies of the calls. It then
/// processes new and changed calls, opens streams, and writes the frames. The task repeats turns until there is nothing
/// to do. Then it waits until bytes can be received or sent, a call or the reader of a body wakes it, or a deadline
/// passes.
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

    EDDY_WAIT_SHAPE(http2_client_connection,
                    named_wait("the responses of an HTTP/2 connection", EDDY_IO_CHILD(stream_, read)));

private:
    using call = http2_call;
    using callbacks = http2_callbacks<http2_client_connection, call>;
    friend callbacks;

    // The parts of a turn:
    void turn(context& cx);
    void received(std::span<const std::byte> bytes);
    void count_frames(std::span<const std::byte> bytes) noexcept;
    void take_news();
    void open_streams();
    [[nodiscard]] bool may_have_ended() const noexcept;
    [[nodiscard]] bool send(context& cx);
    [[nodiscard]] bool wait(context& cx);

    /// Returns the callbacks and options of a client's sessions.
    /// Errors: throws std::bad_alloc.
    [[nodiscard]] static const http2_settings& shared_settings();
    // Callbacks of nghttp2. They return 0 or an error of nghttp2.
    int begin_frame(const nghttp2_frame_hd& head);
    int begin_head(const nghttp2_frame& frame);
    int add_field(std::int32_t stream, std::string_view name, std::string_view value);
    int frame_received(const nghttp2_frame& frame);
    int frame_sent(const nghttp2_frame& frame);
    int frame_not_sent(const nghttp2_frame& frame, int why);
    int data_received(std::int32_t stream, std::string_view data);
    int stream_closed(std::int32_t stream, std::uint32_t why);
    [[nodiscard]] std::pair<std::size_t, bool> sendable(const call& one) const noexcept;
    std::ptrdiff_t size_of_part(const call& one, std::size_t most, std::uint32_t& flags) noexcept;
    int append_part(call& one, std::span<const std::uint8_t> frame_head, std::size_t count);

    // Calls:
    void add_waiting(std::shared_ptr<call> one);
    void open_stream(const std::shared_ptr<call>& one);
    void head_received(call& one, bool ends_stream);
    void refuse(call& one, std::error_code why) noexcept;
    void drop(call& one);
    void reset(call& one, std::uint32_t why) noexcept;
    [[nodiscard]] call* find(std::int32_t stream) const noexcept;
    [[nodiscard]] std::shared_ptr<call> remove(std::int32_t stream) noexcept;
    [[nodiscard]] std::error_code reason_of(const call& one, std::uint32_t why) const noexcept;

    void end_with(http2_refusal why) noexcept;
    void end_at_once() noexcept;
    void begin_close() noexcept;
    void close_to_calls() noexcept;
    void end_calls() noexcept;
    void fail_waiting(std::error_code why) noexcept;
    void fail_unsent(call& one, std::error_code why) noexcept;
    void send_ping();
    [[nodiscard]] bool poll_timer(context& cx);
    [[nodiscard]] time::time_point check_deadlines();
    [[nodiscard]] time::time_point deadline_of(call& one, time::time_point now);
    [[nodiscard]] time::time_point ping_deadline(time::time_point now);

    const std::shared_ptr<http2_link> link_;
    const int socket_;
    const std::chrono::nanoseconds io_timeout_;
    const std::chrono::nanoseconds idle_timeout_;
    const std::chrono::nanoseconds ping_interval_;
    const std::size_t header_limit_;
    http2_frames frames_;  // of the server
    http2_allowances allowed_;
    std::deque<std::shared_ptr<call>> waiting_;
    std::vector<std::shared_ptr<call>> open_;  // sorted by the stream
    pool_box<time::sleep_future> timer_;
    time::time_point received_at_;  // the last received bytes
    time::time_point idle_since_;
    std::optional<time::time_point> pinged_at_;
    std::optional<time::time_point> lost_output_at_;  // see http2_session::send()
    std::uint32_t goaway_ = NGHTTP2_NO_ERROR;
    bool has_settings_ = false;
    bool has_free_stream_ = false;  // a stream has ended since open_streams()
    bool is_suspect_ = false;       // requests got no answer: see "Liveness"
    bool is_closing_ = false;       // the connection accepts no further requests
    bool closes_ = false;
};

}  // namespace eddy::detail
