// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/boxed.hpp>
#include <eddy/result.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/ws/connection.hpp>
#include <eddy/ws/options.hpp>

#include "engine.hpp"
#include "executor/task/wait_list.hpp"
#include "message_share.hpp"

namespace eddy::detail {

/// One WebSocket: the protocol, the connection below, and the tasks that wait for it. It moves bytes between the
/// protocol and the connection.
///
///     task              polls                   reads below    writes below   timer
///     reader            poll_receive()          yes            yes            ping_timer_
///     writer            poll_ready(), flush     no             yes            -
///     writer            poll_closed()           yes            yes            -
///     any               start_close()           no             no             -
///     session           poll_close_frame()      no             yes            -
///     writer            poll_session_end()      yes            yes            -
///
/// Several tasks may wait for one direction of the connection, which stores one waker for each direction. So they pass
/// wakers of waiters_ to the connection. Such a waker wakes all tasks that wait for the direction. A task that changes
/// what another one waits for (the WebSocket is over, or a Close frame is to be sent) wakes it, too. After our Close
/// frame, the reader and the writer also wait for close_timer_.
///
/// Thread safety: any thread, under lock_. The lock is held during system calls, which do not wait.
class ws_state : immovable {
public:
    ws_state(io::boxed_stream&& stream, const ws_parameters& with, std::string&& protocol);
    ~ws_state();

    /// See ws::receiving and ws::sending.
    poll_result<result<ws::message>> poll_receive(context& cx);
    poll_result<result<void>> poll_ready(context& cx);
    result<void> start_send(const ws::message& item);
    result<void> start_ping(std::string_view payload);
    poll_result<result<void>> poll_flush(context& cx);
    void start_close(ws::close_code code, std::string_view reason);
    poll_result<result<void>> poll_closed(context& cx);
    [[nodiscard]] std::optional<ws::close_frame> peer_close();

    /// Sends the Close frame of start_close(), for a handler that neither sends nor receives. Call it in each poll of
    /// the session until the handler has ended.
    void poll_close_frame(context& cx);
    /// For a server whose handler has ended: sends a Close frame, unless one was sent. From now on, the functions
    /// above return ws::errc::closed. The handler may have moved parts of the connection into other tasks, which are
    /// woken if they wait.
    void end_handler(ws::close_code code);
    /// Completes the closing handshake. Then closes the connection, even if parts of it exist.
    /// Preconditions: end_handler() was called.
    poll_result<void> poll_session_end(context& cx);

    [[nodiscard]] std::string_view protocol() const noexcept { return protocol_; }
    [[nodiscard]] bool is_compressed() const noexcept { return is_compressed_; }
    /// Returns whether a function has returned this error of the connection. Then a server does not report the error.
    [[nodiscard]] bool has_returned(const std::error_code& error);

private:
    using waiting_task = io_wait_list::task;
    using direction = io_wait_list::direction;
    enum class [[nodiscard]] read_outcome : unsigned char { pending, progress, over };
    enum class [[nodiscard]] parse_outcome : unsigned char { nothing, message, no_budget, no_share };
    class access;

    /// Compresses and sends all bytes, as far as the connection accepts them. An error of the connection becomes
    /// send_error_.
    poll_result<result<void>> poll_send(context& cx, waiting_task waiter);
    /// Parses what was received. With `no_budget`, the task is woken. With `no_share`, a large message waits until the
    /// messages of other connections were decompressed.
    parse_outcome parse(context& cx);
    ws_engine::event parse_some();
    /// Takes coop budget for the bytes that were compressed and decompressed. Returns false if there is not enough.
    [[nodiscard]] bool pay_for_compression(context& cx) noexcept;
    void share_compression() noexcept;
    /// Receives bytes and keeps them in received_.
    read_outcome poll_read(context& cx, waiting_task waiter);
    /// Returns whether the peer has been silent for too long. Sends a ping when nothing was received during a ping
    /// interval.
    bool poll_ping(context& cx);
    /// Returns whether the close timeout has passed since our Close frame. Fails the connection then, unless the
    /// closing handshake is complete.
    bool poll_late(context& cx, waiting_task waiter);
    /// Completes the closing handshake and ends the connection.
    poll_result<result<void>> poll_handshake(context& cx);
    /// Ends the connection after the closing handshake. Returns ready when nothing is left to do.
    poll_result<void> poll_end(context& cx);
    /// Fails the connection without a Close frame.
    void fail(std::error_code why) noexcept;
    std::error_code returned(std::error_code error);

    mutex lock_;                              // guards all members below
    std::optional<io::boxed_stream> stream_;  // nullopt after poll_session_end()
    ws_engine engine_;
    const ref_ptr<io_wait_list> waiters_;
    std::string received_;      // bytes that were not parsed yet
    std::size_t parsed_ = 0;    // of received_
    std::size_t unpaid_ = 0;    // see pay_for_compression()
    bool needs_flush_ = false;  // bytes were written since the connection was flushed
    std::error_code send_error_;
    std::error_code returned_;     // see has_returned()
    message_share receive_share_;  // for a large message that is decompressed
    message_share send_share_;     // for one that is compressed
    bool has_shared_ = false;      // one of them has changed since the last wake_holders()

    const std::size_t message_limit_;
    const time::duration ping_interval_;
    const time::duration close_timeout_;
    pool_box<time::sleep_future> ping_timer_;
    pool_box<time::sleep_future> close_timer_;
    bool has_received_ = true;  // since the ping timer was set
    bool awaits_pong_ = false;  // a ping was sent, and no byte has arrived since
    bool has_shut_down_ = false;
    bool has_ended_ = false;  // the connection below has ended, or has failed
    bool is_late_ = false;    // see poll_late()
    bool is_detached_ = false;
    bool wakes_all_ = false;  // see `access`

    const std::string protocol_;
    const bool is_compressed_;
};

/// Returns the parameters of a connection without compression.
[[nodiscard]] ws_parameters parameters_of(const ws::options& from, ws_role role);

}  // namespace eddy::detail
