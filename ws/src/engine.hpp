// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/ws/error.hpp>
#include <eddy/ws/message.hpp>

#include "deflate.hpp"
#include "utf8_checker.hpp"

namespace eddy::detail {

enum class ws_role : unsigned char { server, client };

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
///     open ──close()──────────────> closing ──peer's Close──> closed
///      │                               │
///      ├──peer's Close, answered───────┼────────────────────> closed: ws::errc::closed
///      ├──violation, Close with code───┼────────────────────> failed: ws::errc of the violation
///      └──end without a Close frame────┴────────────────────> failed: the error of the connection
///
///     state     input                                        output
///     open      is parsed                                    takes messages, pings and answers
///     closing   is parsed; messages are discarded            takes nothing after our Close frame
///     closed    is ignored                                   takes nothing after our Close frame
///     failed    is ignored                                   takes nothing after our Close frame
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
/// Errors: functions that are not noexcept throw std::bad_alloc. receive() loses nothing then, and can be repeated.
/// take_message() fails the connection, and send() drops the message.
/// Thread safety: one thread at a time.
class ws_engine : immovable {  // to_inflate_ and to_compress_ refer to its own strings
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
    [[nodiscard]] bool is_compressing() const noexcept { return sending_.has_value(); }
    /// Compresses the next bytes of the message.
    void compress_step();
    /// Returns the size of the message that is being compressed; 0 if there is none.
    [[nodiscard]] std::size_t compressing() const noexcept { return sending_ ? sending_->content().size() : 0; }
    /// Appends a ping.
    /// Preconditions: `payload` has at most 125 bytes.
    std::error_code ping(std::string_view payload);
    /// Appends a Close frame. Does nothing if one was sent already.
    /// Preconditions: `reason` has at most 123 bytes.
    void close(ws::close_code code, std::string_view reason);
    /// Fails the connection without a Close frame. Drops the bytes to send.
    void fail(std::error_code why) noexcept;

    /// Returns the bytes to send.
    [[nodiscard]] std::string_view unsent() const noexcept { return std::string_view(out_).substr(sent_); }
    /// Removes bytes from the front of unsent().
    void sent(std::size_t count);

    // ---- State ----

    /// Returns whether no further message will be received: the closing handshake is complete, or the connection
    /// failed.
    [[nodiscard]] bool is_over() const noexcept { return has_peer_closed_ || failure_; }
    /// Returns the reason: ws::errc::closed, or why the connection failed.
    /// Preconditions: is_over().
    [[nodiscard]] std::error_code reason() const noexcept {
        return failure_ ? failure_ : make_error_code(ws::errc::closed);
    }
    [[nodiscard]] bool has_failed() const noexcept { return static_cast<bool>(failure_); }
    /// Returns whether a Close frame was sent.
    [[nodiscard]] bool has_closed() const noexcept { return has_closed_; }
    /// Returns whether the peer's Close frame was received; its code and its reason.
    [[nodiscard]] bool has_peer_closed() const noexcept { return has_peer_closed_; }
    [[nodiscard]] ws::close_code peer_code() const noexcept { return peer_code_; }
    [[nodiscard]] const std::string& peer_reason() const noexcept { return peer_reason_; }
    [[nodiscard]] ws_role role() const noexcept { return with_.role; }
    /// Returns how many bytes were compressed or decompressed since the last call, before and after that respectively.
    [[nodiscard]] std::size_t take_work() noexcept { return std::exchange(work_, 0); }

private:
    enum class opcode : unsigned char { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

    static constexpr std::size_t most_control = 125;        // bytes of a control frame (RFC 6455, section 5.5)
    static constexpr std::size_t most_answers = 16 * 1024;  // unsent bytes above which pings wait for their answer
    static constexpr std::size_t most_reserved = 64 * 1024;

    /// Returns whether compressed bytes are decompressed before further ones are read.
    [[nodiscard]] bool must_inflate() const noexcept { return is_inflating_ && content_.size() < most_reserved; }
    [[nodiscard]] bool is_control() const noexcept { return (head_[0] & 8u) != 0; }
    [[nodiscard]] bool is_final() const noexcept { return (head_[0] & 0x80u) != 0; }
    [[nodiscard]] std::size_t head_size() const noexcept;

    /// The steps of receive(). They return false if the connection has failed, or if more input is needed.
    bool read_frame(std::string_view& input);
    bool read_head(std::string_view& input);
    bool check_first_bytes();
    bool begin_frame();
    bool read_payload(std::string_view& input);
    void add_control(std::string_view part);
    bool add_plain(std::string_view part);
    void add_compressed(std::string_view part);
    bool inflate_step();
    void discard_message() noexcept;
    void drop_received() noexcept;
    bool end_message();
    void end_control();
    void receive_close();

    bool violate(ws::errc why, ws::close_code code);
    void unmask(char* data, std::size_t size) noexcept;
    void write_frame(opcode what, bool is_compressed, std::string_view payload);
    void answer_ping();
    void complete_sending();
    void drop_sending() noexcept;

    const ws_parameters with_;

    // The frame that is received. Its payload begins when remaining_ is set.
    std::array<unsigned char, 14> head_{};
    std::uint8_t head_filled_ = 0;
    bool is_in_payload_ = false;
    std::uint64_t remaining_ = 0;  // bytes of the payload that did not arrive yet
    std::array<unsigned char, 4> mask_{};
    std::size_t mask_at_ = 0;  // the index of the next byte in the mask
    std::string control_;      // the payload of a control frame

    // The message that is received.
    bool is_in_message_ = false;
    bool is_text_ = false;
    bool is_compressed_ = false;
    std::uint64_t overhead_ = 0;   // size of the heads of its frames
    std::uint64_t wire_size_ = 0;  // size of the payloads of its frames
    std::string content_;
    utf8_checker utf8_;
    std::string deflated_;         // compressed bytes without their mask
    std::string_view to_inflate_;  // the part of deflated_ that was not decompressed
    bool is_inflating_ = false;    // to_inflate_ is set, although it may be empty: see ws_inflater::add()
    bool has_share_ = false;       // see permit_step()
    bool is_ending_ = false;       // the last frame was received
    bool has_message_ = false;     // the message is complete: see take_message()

    std::string out_;
    std::size_t sent_ = 0;
    std::optional<std::string> ping_;  // the payload of the latest ping that was not answered yet

    std::optional<ws::message> sending_;  // while it is compressed
    std::string_view to_compress_;        // the rest of sending_
    std::string compressed_;

    std::unique_ptr<ws_inflater> inflater_;
    std::unique_ptr<ws_deflater> deflater_;
    std::size_t work_ = 0;  // see take_work()

    bool has_closed_ = false;
    bool has_peer_closed_ = false;
    std::error_code failure_;
    ws::close_code peer_code_ = ws::close_code::none;
    std::string peer_reason_;
};

/// Returns whether a Close frame may have this code.
[[nodiscard]] bool is_valid_close_code(std::uint16_t code) noexcept;

}  // namespace eddy::detail
