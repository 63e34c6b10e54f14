// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/ws/error.hpp>
#include <eddy/ws/message.hpp>

#include "closing.hpp"
#include "deflate.hpp"
#include "frame.hpp"
#include "incoming.hpp"

namespace eddy::detail {

/// The parameters of a connection after its handshake.
struct ws_parameters {
    ws_role role = ws_role::server;
    std::size_t message_limit = 1 << 20;
    std::size_t overhead_limit = 64 * 1024;
    std::chrono::nanoseconds close_timeout = std::chrono::seconds(5);   // for ws_state
    std::chrono::nanoseconds ping_interval = std::chrono::seconds(30);  // for ws_state
    std::optional<deflate_parameters> compression;                      // nullopt if none was negotiated

    ws_parameters() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// The WebSocket protocol (RFC 6455, RFC 7692) without I/O: turns received bytes into messages and messages into bytes
/// to send. It answers pings and Close frames itself.
///
/// eddy does not use wslay, for these reasons. Parsing the head of a frame is a small part of the protocol. The event
/// API of wslay buffers messages before it reports them and has an unbounded send queue. Its frame API copies all
/// bytes through a buffer of 4 KiB in each connection, even while the connection is idle. It checks neither the masks
/// nor the reserved bits nor the opcodes. Compression is left to zlib.
///
///     bytes ──> ws_frame_reader ──> ws_incoming ───────────────────────────────────────> messages
///                    └──control frames──> ws_closing, answers to pings ──┐
///     bytes <────────────────────────────────────────── ws_frame_writer <┴─ ws_deflater <── messages
///
/// See ws_closing for the states of a connection.
///
/// Memory: the received message takes at most message_limit(), and what std::string adds. Of the bytes to send, answers
/// to pings are at most most_answers. The states of zlib exist from the first compressed message on. A frame's
/// announced size allocates at most most_reserved bytes before its content arrives. A compressed message stays
/// compressed beyond its first most_reserved bytes, until all of it has arrived and the caller has a share of the
/// memory for it (message_share). So a peer that waits in the middle of a message holds only what it has sent.
///
/// Work: a few bytes can stand for a message of many megabytes, so messages are compressed and decompressed in steps of
/// deflate_step bytes. Between two steps, the caller can let other tasks run.
///
/// Errors: functions that are not noexcept throw std::bad_alloc. receive() loses nothing then, and can be repeated; but
/// a violation may stay without a Close frame. take_message() fails the connection. send() drops the message, or the
/// one before it, which was being compressed.
/// Thread safety: one thread at a time.
class ws_engine : immovable {
public:
    explicit ws_engine(const ws_parameters& with);

    // ---- Input ----

    enum class [[nodiscard]] event : unsigned char { none, message, paused, needs_share };

    /// Parses bytes, and removes them from the front of `input`, until a message is complete (`message`), nothing is
    /// left (`none`), or a step of work was done (`paused`). Call it again after `paused`, even without input. After
    /// `needs_share`, first get a share of the memory for large messages, and call permit_step().
    event receive(std::string_view& input);
    /// Permits the next step that decompresses a large message.
    void permit_step() noexcept { has_share_ = true; }
    /// Returns the message that receive() has reported.
    [[nodiscard]] ws::message take_message();
    /// Records that the connection has ended.
    void end_of_input() noexcept;

    // ---- Output ----

    /// Appends a message to the bytes to send, or begins to compress it.
    /// Errors: ws::errc::closed after a Close frame, invalid_text.
    std::error_code send(const ws::message& message);
    /// Returns whether a message is being compressed. Then call compress_step() before unsent().
    [[nodiscard]] bool is_compressing() const noexcept { return deflater_.is_busy(); }
    /// Compresses the next bytes of the message.
    void compress_step();
    /// Returns the size of the message that is being compressed; 0 if there is none.
    [[nodiscard]] std::size_t compressing() const noexcept {
        return is_compressing() ? deflater_.message().text().size() : 0;
    }
    /// Appends a ping.
    /// Preconditions: `payload` has at most 125 bytes.
    std::error_code ping(std::string_view payload);
    /// Appends a Close frame. Does nothing if one was sent already.
    /// Preconditions: `reason` has at most 123 bytes.
    void close(ws::close_code code, std::string_view reason);
    /// Fails the connection without a Close frame. Drops the bytes to send.
    void fail(std::error_code why) noexcept;

    /// Returns the bytes to send.
    [[nodiscard]] std::string_view unsent() const noexcept { return writer_.unsent(); }
    /// Removes bytes from the front of unsent().
    void sent(std::size_t count);

    // ---- State ----

    /// Returns whether no further message will be received: the closing handshake is complete, or the connection
    /// failed.
    [[nodiscard]] bool is_over() const noexcept { return closing_.is_over(); }
    /// Returns the reason: ws::errc::closed, or why the connection failed.
    /// Preconditions: is_over() or has_closed().
    [[nodiscard]] std::error_code reason() const noexcept { return closing_.reason(); }
    [[nodiscard]] bool has_failed() const noexcept { return closing_.has_failed(); }
    /// Returns whether a Close frame was sent.
    [[nodiscard]] bool has_closed() const noexcept { return closing_.has_sent(); }
    /// Returns whether the peer's Close frame was received; its code and its reason.
    [[nodiscard]] bool has_peer_closed() const noexcept { return closing_.has_received(); }
    [[nodiscard]] ws::close_code peer_code() const noexcept { return closing_.peer_code(); }
    [[nodiscard]] const std::string& peer_reason() const noexcept { return closing_.peer_reason(); }
    [[nodiscard]] ws_role role() const noexcept { return reader_.role(); }
    /// Returns how many bytes were compressed or decompressed since the last call, before and after that respectively.
    [[nodiscard]] std::size_t take_work() noexcept { return std::exchange(work_, 0); }

private:
    static constexpr std::size_t most_answers = 16 * 1024;  // unsent bytes above which pings wait for their answer

    /// The steps of receive(). They return false if the connection has failed, or if more input is needed.
    bool read_frame(std::string_view& input);
    bool read_head(std::string_view& input);
    bool read_payload(std::string_view& input);
    bool inflate() { return check(incoming_.inflate(work_)); }
    bool check(std::optional<ws::errc> found);
    void end_control();

    void answer_ping();
    void complete_sending();
    void drop_messages() noexcept;

    ws_frame_reader reader_;
    std::string control_;  // the payload of a control frame
    ws_incoming incoming_;
    bool has_share_ = false;  // see permit_step()

    ws_frame_writer writer_;
    std::optional<std::string> ping_;  // the payload of the latest ping that was not answered yet
    const bool may_compress_;
    ws_deflater deflater_;

    std::size_t work_ = 0;  // see take_work()
    ws_closing closing_;
};

}  // namespace eddy::detail
