// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <expected>
#include <limits>
#include <new>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/outcome.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/proto/message.hpp>
#include <eddy/result.hpp>

// What pipelined and multiplexed connections with streamed bodies have in common.

namespace eddy::detail {

enum class proto_side : unsigned char { client, server };

/// The types of a connection of frames whose owner sends messages of the type `Out`. A service may fail, so responses
/// are results.
template <class Io, class Out, proto_side Side>
struct streamed_types {
    using in = framed_message_t<typename std::remove_reference_t<Io>::item_type::value_type>;
    using out = Out;
    using received = std::conditional_t<Side == proto_side::client, result<in>, in>;
    using sent = std::conditional_t<Side == proto_side::client, out, result<out>>;
    using in_head = proto::head_frame<typename in::head_type>;
    using in_chunk = proto::chunk_frame<typename in::chunk_type>;
    using out_head = proto::head_frame<typename out::head_type>;
    using out_chunk = proto::chunk_frame<typename out::chunk_type>;
};

/// Converts the answer of a sink of frames.
template <class Answer>
poll_result<result<void>> as_result(Answer answer) {
    if (!answer) return not_ready;
    return flatten<result<void>>(*std::move(answer));
}

/// Returns whether an operation that was not ready had coop budget. If not, the task was woken.
inline bool had_budget(context& cx) noexcept { return cx.budget() != 0 || cx.consume_budget(); }

/// A connection of frames, and the errors of its two directions.
/// Thread safety: one thread at a time.
template <class Io, class Out>
class frame_connection {
    using in_frame = typename std::remove_reference_t<Io>::item_type::value_type;

protected:
    explicit frame_connection(Io&& io) : io_(std::forward<Io>(io)) {}

    /// Reads a frame. Returns nullopt at the end, with an error in end_error_ if there is one. After a failed write,
    /// the end follows the frames that have arrived.
    poll_result<std::optional<in_frame>> read(context& cx) {
        if (!cx.consume_budget()) return not_ready;
        auto item = io_.poll_next(cx);
        if (!item) {
            const bool is_last = failure_ && had_budget(cx);
            cx.refund_budget();
            if (!is_last) return not_ready;
            end_error_ = failure_;
            return std::optional<in_frame>();
        }
        if (!*item) return std::optional<in_frame>();
        if (!**item) {
            end_error_ = convert_error<std::error_code>((**item).error());
            return std::optional<in_frame>();
        }
        return std::optional<in_frame>(***std::move(item));
    }
    /// Returns ready when the connection accepts a frame, or with the error of the direction of writing.
    poll_result<result<void>> write_ready(context& cx) {
        if (failure_) return result<void>(std::unexpect, failure_);
        return failing(as_result(io_.poll_ready(cx)));
    }
    template <class... Content>
    result<void> put(Content&&... content) {
        auto passed = io_.start_send(Out(std::forward<Content>(content)...));
        if (!passed) return std::unexpected(convert_error<std::error_code>(passed.error()));
        unflushed_ = true;
        return {};
    }
    poll_result<result<void>> flush(context& cx) {
        if (failure_) return result<void>(std::unexpect, failure_);
        auto flushed = failing(as_result(io_.poll_flush(cx)));
        if (flushed) unflushed_ = false;
        return flushed;
    }

    Io io_;
    std::error_code end_error_;  // of the direction of reading; not yet reported
    std::error_code failure_;    // of the direction of writing
    bool has_ended_ = false;     // the direction of reading
    bool unflushed_ = false;

private:
    poll_result<result<void>> failing(poll_result<result<void>> done) {
        if (done && !*done) failure_ = done->error();
        return done;
    }
};

/// Ends a running call of a service, because its client has cancelled it.
/// Thread safety: one thread at a time.
class call_end {
public:
    void cancel() noexcept {
        is_cancelled_ = true;
        std::exchange(call_, waker()).wake();
    }
    /// Returns whether the call was cancelled. If not, the task of `cx` is woken when it is.
    [[nodiscard]] bool poll(context& cx) {
        if (!is_cancelled_) call_ = cx.waker();
        return is_cancelled_;
    }

private:
    bool is_cancelled_ = false;
    waker call_;
};

/// A body that a connection sends: a stream of its frames. `credit` is the number of chunks that the peer permits. One
/// more chunk is produced, because the end of a body needs no credit. An exception of the stream ends the body with an
/// error.
/// Thread safety: one thread at a time.
template <class Frame, class Chunk>
class sent_body {
public:
    using item_type = Frame;

    static constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

    sent_body(proto::body<Chunk> chunks, std::uint64_t credit) noexcept : chunks_(std::move(chunks)), credit_(credit) {}

    void add_credit(std::uint32_t chunks) noexcept {
        credit_ = credit_ < unlimited - chunks ? credit_ + chunks : unlimited;
        std::exchange(waiting_, waker()).wake();
    }
    /// Says that there will be no more credit. If the body needs credit, it fails with errc::connection_closed.
    void end_credit() noexcept {
        is_credit_final_ = true;
        std::exchange(waiting_, waker()).wake();
    }
    /// Destroys the rest of the body and ends it with an error.
    void stop(const std::error_code& error) {
        stopped_ = error;
        chunks_ = proto::body<Chunk>();
        next_.reset();
    }
    /// Says that the last frame could not be encoded. Returns false if no other frame can replace it.
    [[nodiscard]] bool refuse(const std::error_code& error) {
        if (has_ended_) return false;
        stop(error);
        return true;
    }

    poll_result<std::optional<Frame>> poll_next(context& cx) {
        if (has_ended_) return std::optional<Frame>();
        if (stopped_) return last(proto::error_frame(stopped_));
        if (!next_) {
            auto next = produce(cx);
            if (!next) return not_ready;
            if (!*next) return last(proto::end_frame());
            if (!**next) return last(proto::error_frame((**next).error()));
            next_.emplace(***std::move(next));
        }
        if (credit_ == 0) {
            if (is_credit_final_) return last(proto::error_frame(make_error_code(errc::connection_closed)));
            waiting_ = cx.waker();
            return not_ready;
        }
        if (credit_ != unlimited) --credit_;
        std::optional<Frame> frame(std::in_place, proto::chunk_frame<Chunk>(*std::move(next_)));
        next_.reset();
        return frame;
    }

private:
    poll_result<std::optional<result<Chunk>>> produce(context& cx) {
        using item = std::optional<result<Chunk>>;
        try {
            return chunks_.poll_next(cx);
        } catch (const std::bad_alloc&) {
            return item(std::unexpected(std::make_error_code(std::errc::not_enough_memory)));
        } catch (const std::system_error& error) {
            return item(std::unexpected(error.code()));
        } catch (...) {
            return item(std::unexpected(std::make_error_code(std::errc::io_error)));
        }
    }
    template <class T>
    std::optional<Frame> last(T frame) {
        has_ended_ = true;
        return std::optional<Frame>(std::in_place, std::move(frame));
    }

    proto::body<Chunk> chunks_;
    std::optional<Chunk> next_;
    std::uint64_t credit_;
    std::error_code stopped_;
    waker waiting_;  // while there is no credit
    bool is_credit_final_ = false;
    bool has_ended_ = false;
};

}  // namespace eddy::detail
