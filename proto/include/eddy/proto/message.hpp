// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/future/detail/outcome.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/stream_ops.hpp>

// Messages with streamed bodies, and the frames of which they consist on a connection.

namespace eddy::proto {

/// A request or a response of a multiplexed protocol. The client chooses the number of a request, and the response has
/// the same number.
/// Thread safety: same as T; a value type.
template <class T>
struct numbered {
    std::uint64_t id;  ///< the number
    T body;            ///< the request or the response

    /// Makes a message.
    numbered(std::uint64_t number, T content) : id(number), body(std::move(content)) {}
};

/// The body of a message: a stream of chunks, which ends, or fails with an error. It is sent while it is produced, and
/// read while it arrives. `co_await body.next()` returns the next chunk.
///
/// Any stream of `Chunk` or of `result<Chunk>` converts to a body, for example an async_generator or the receiver of a
/// channel. After an error, the body has ended. A body that is destroyed before its end is cancelled: if it was
/// received, the connection discards its rest.
/// Cancel safety: same as the stream. Waiting for a chunk of a received body is cancel safe.
/// Thread safety: one thread at a time. A received body may be read on any thread.
/// Lifetime: owns its stream. A received body may outlive its connection; it fails when the connection ends first.
/// Cost: one allocation.
template <class Chunk>
class body : public stream_ops<body<Chunk>> {
    struct base {
        base() = default;
        base(const base&) = delete;
        base& operator=(const base&) = delete;
        virtual ~base() = default;
        virtual poll_result<std::optional<result<Chunk>>> poll_next(context& cx) = 0;
    };
    template <class S>
    struct model final : base {
        explicit model(S&& given) : chunks(std::move(given)) {}
        poll_result<std::optional<result<Chunk>>> poll_next(context& cx) override {
            auto next = chunks.poll_next(cx);
            if (!next) return not_ready;
            if (!*next) return std::optional<result<Chunk>>();
            return std::optional<result<Chunk>>(detail::flatten<result<Chunk>>(**std::move(next)));
        }
        S chunks;
    };

public:
    /// The type of the chunks, and the type of the items of the stream.
    using chunk_type = Chunk;
    using item_type = result<Chunk>;

    /// Creates the body of a message without a body. It has no chunks.
    body() noexcept = default;
    /// Takes ownership of a stream of chunks.
    template <stream S>
        requires(!std::same_as<S, body> && std::constructible_from<Chunk, detail::item_value_t<typename S::item_type>>)
    body(S chunks) : inner_(std::make_unique<model<S>>(std::move(chunks))) {}

    /// Returns whether there is a body, even if it has no chunks. Returns false after its end.
    [[nodiscard]] bool has_value() const noexcept { return inner_ != nullptr; }

    /// The stream function; see stream.hpp.
    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (!inner_) return std::optional<item_type>();
        auto next = inner_->poll_next(cx);
        if (next && (!*next || !**next)) inner_.reset();
        return next;
    }

private:
    std::unique_ptr<base> inner_;
};

/// A request or a response with a streamed body. The service gets a request when its head has arrived, and may return
/// the response before it has read the body.
///
///     task<result<message>> store(message request) {
///         while (auto chunk = co_await request.body.next()) co_await try_(write(co_await try_(std::move(*chunk))));
///         co_return message(status::stored);
///     }
/// Thread safety: a value type; one thread at a time.
template <class Head, class Chunk>
struct message {
    /// The types of the head and of the chunks.
    using head_type = Head;
    using chunk_type = Chunk;

    Head head;                ///< everything that is known before the body
    proto::body<Chunk> body;  ///< the body

    /// Makes a message, by default one without a body.
    message(Head what, proto::body<Chunk> with = proto::body<Chunk>()) : head(std::move(what)), body(std::move(with)) {}
};

/// A frame that begins a message.
/// Thread safety: same as Head; a value type.
template <class Head>
struct head_frame {
    Head head;      ///< the head of the message
    bool has_body;  ///< whether chunks and an end_frame or error_frame follow

    /// Makes a frame.
    head_frame(Head what, bool with_body) : head(std::move(what)), has_body(with_body) {}
};

/// A frame with a part of the body.
/// Thread safety: same as Chunk; a value type.
template <class Chunk>
struct chunk_frame {
    Chunk chunk;  ///< the part

    /// Makes a frame.
    explicit chunk_frame(Chunk what) : chunk(std::move(what)) {}
};

/// The frame that ends a body.
/// Thread safety: a value type.
struct end_frame {
    /// Makes a frame.
    end_frame() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// The frame that ends a body with an error. In place of the head of a response, it says that the service has failed.
/// Thread safety: a value type.
struct error_frame {
    std::error_code error;  ///< the error

    /// Makes a frame.
    explicit error_frame(std::error_code what) noexcept : error(what) {}
};

/// From the client: ends the request, and cancels its call. From the server: the client need not send the rest of the
/// request's body. Only multiplexed protocols have this frame.
/// Thread safety: a value type.
struct cancel_frame {
    /// Makes a frame.
    cancel_frame() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// Permits the peer to send more chunks of its body; see body_window. Only multiplexed protocols have this frame.
/// Thread safety: a value type.
struct credit_frame {
    std::uint32_t chunks;  ///< the number of chunks

    /// Makes a frame.
    explicit credit_frame(std::uint32_t count) noexcept : chunks(count) {}
};

/// The number of chunks of a body that may be sent before the peer has read any. The sender produces one more. In a
/// pipelined protocol, a connection reads no further while so many chunks wait for their reader. In a multiplexed
/// protocol, the sender of a body waits for a credit_frame.
inline constexpr std::size_t body_window = 16;

/// The number of chunks of a request's body that a pipelined server discards if its service does not read them. If
/// there are more, the connection ends. (A multiplexed server cancels the body instead.)
inline constexpr std::size_t max_discarded_chunks = 1024;

/// A frame of a pipelined protocol with streamed bodies. A codec encodes and decodes these.
template <class Head, class Chunk>
using pipelined_frame = std::variant<head_frame<Head>, chunk_frame<Chunk>, end_frame, error_frame>;

/// A frame of a multiplexed protocol with streamed bodies. The frames of a request and of its response have the same
/// number, which is used only once on a connection.
template <class Head, class Chunk>
using multiplexed_frame =
    numbered<std::variant<head_frame<Head>, chunk_frame<Chunk>, end_frame, error_frame, cancel_frame, credit_frame>>;

}  // namespace eddy::proto

namespace eddy::detail {

/// The message of which `Frame` is a part. A type that is no frame is a message itself.
template <class Frame>
struct framed_message : std::type_identity<Frame> {
    static constexpr bool is_streamed = false;
};
template <class Head, class Chunk, class... Control>
struct framed_message<std::variant<proto::head_frame<Head>, proto::chunk_frame<Chunk>, Control...>>
    : std::type_identity<proto::message<Head, Chunk>> {
    static constexpr bool is_streamed = true;
};
template <class T>
struct framed_message<proto::numbered<T>> : framed_message<T> {};

/// The body of a message: T of a numbered<T>.
template <class T>
struct body_of;
template <class T>
struct body_of<proto::numbered<T>> : std::type_identity<T> {};

template <class T>
inline constexpr bool is_message = false;
template <class Head, class Chunk>
inline constexpr bool is_message<proto::message<Head, Chunk>> = true;

template <class Frame>
using framed_message_t = typename framed_message<Frame>::type;

}  // namespace eddy::detail
