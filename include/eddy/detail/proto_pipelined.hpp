// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/proto_inbox.hpp>
#include <eddy/detail/proto_streamed.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/proto/message.hpp>
#include <eddy/result.hpp>

namespace eddy::inline v0_1::detail {

/// A pipelined connection of frames, as a stream and a sink of messages with streamed bodies. It receives one body at a
/// time, and sends one. While the reader of the received body is slow, no frame is read. The owner calls drive() in
/// each of its polls, because bodies move while no message does.
/// Thread safety: one thread at a time.
template <class Io, class Out, proto_side Side>
class pipelined_messages {
    using types = streamed_types<Io, Out, Side>;
    using in = typename types::in;
    using in_chunk = typename in::chunk_type;

public:
    using out_frame = proto::pipelined_frame<typename Out::head_type, typename Out::chunk_type>;
    using received = typename types::received;
    using sent = typename types::sent;
    using item_type = result<received>;
    using error_type = std::error_code;

    pipelined_messages(Io&& io, std::size_t)
        : io_(std::forward<Io>(io)), inbox_(std::make_shared<body_inbox<in_chunk>>()) {}

    void drive(context& cx) {
        receive(cx);
        send(cx);
        if (unflushed_ && !failure_) static_cast<void>(flush(cx));
    }

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        receive(cx);
        if (waiting_) {
            std::optional<item_type> next(std::in_place, std::in_place, *std::move(waiting_));
            waiting_.reset();
            receive(cx);  // goes on with its body, also if the owner wants no further message
            return next;
        }
        if (!has_ended_ && failure_) end(failure_);  // only after everything that had arrived
        if (!has_ended_) return not_ready;
        const auto error = std::exchange(end_error_, std::error_code());
        return error ? std::optional<item_type>(std::unexpected(error)) : std::optional<item_type>();
    }

    poll_result<result<void>> poll_ready(context& cx) {
        send(cx);
        if (failure_) return result<void>(std::unexpect, failure_);
        if (sending_) return not_ready;
        return as_result(io_.poll_ready(cx));
    }
    result<void> start_send(sent&& one) {
        if constexpr (Side == proto_side::client) {
            return start(std::move(one));
        } else {
            // The encoder may refuse a response. The client learns it as an error of the service.
            if (!one) return put(proto::error_frame(one.error()));
            auto begun = start(*std::move(one));
            return begun ? begun : put(proto::error_frame(begun.error()));
        }
    }
    poll_result<result<void>> poll_flush(context& cx) {
        send(cx);
        auto flushed = flush(cx);
        if (flushed && *flushed && sending_) return not_ready;
        return flushed;
    }
    /// Waits until the bodies have ended in both directions.
    poll_result<result<void>> poll_close(context& cx) {
        waiting_.reset();
        if (filling_) receive(cx);
        waiting_.reset();
        send(cx);
        if (failure_) return result<void>(std::unexpect, failure_);
        if (!sending_ && (!filling_ || filling_->is_dropped())) return as_result(io_.poll_close(cx));
        auto flushed = flush(cx);
        if (flushed && !*flushed) return flushed;
        return not_ready;
    }

    /// Ends the body that is sent with an error, because its message is not wanted any more.
    void stop_sending() {
        if (sending_) sending_->stop(make_error_code(errc::task_cancelled));
    }

private:
    void receive(context& cx) {
        while (inbox_->next_news(cx)) {
        }  // the news only wake this task
        while (!waiting_ && !has_ended_) {
            if (filling_ && filling_->is_full()) return;
            if (!cx.consume_budget()) return;
            auto item = io_.poll_next(cx);
            if (!item) return cx.refund_budget();
            if (!*item) {
                end(std::error_code());
            } else if (!**item) {
                end(convert_error<std::error_code>((**item).error()));
            } else {
                accept(***std::move(item));
            }
        }
    }
    template <class Frame>
    void accept(Frame&& frame) {
        if (auto* const head = std::get_if<typename types::in_head>(&frame)) {
            if (filling_) return end(std::make_error_code(std::errc::protocol_error));
            proto::body<in_chunk> body;
            if (head->has_body) body = filling_.emplace(inbox_, 0).reader();
            waiting_.emplace(in(std::move(head->head), std::move(body)));
            return;
        }
        if (auto* const error = std::get_if<proto::error_frame>(&frame); error != nullptr && !filling_) {
            if constexpr (Side == proto_side::client) {
                waiting_.emplace(std::unexpect, error->error);
                return;
            }
        }
        if (!filling_) return end(std::make_error_code(std::errc::protocol_error));
        if (auto* const chunk = std::get_if<typename types::in_chunk>(&frame)) {
            static_cast<void>(filling_->put(chunk->chunk));  // it is not full
            return;
        }
        const auto* const error = std::get_if<proto::error_frame>(&frame);
        filling_->end(error != nullptr ? error->error : std::error_code());
        filling_.reset();
    }
    /// Ends the direction of reading.
    void end(const std::error_code& error) {
        has_ended_ = true;
        end_error_ = error;
        if (!filling_) return;
        if (!end_error_) end_error_ = make_error_code(errc::unexpected_eof);
        filling_->end(end_error_);
        filling_.reset();
    }

    result<void> start(Out&& one) {
        const bool has_body = one.body.has_value();
        auto begun = put(typename types::out_head(std::move(one.head), has_body));
        if (begun && has_body) sending_.emplace(std::move(one.body), sending::unlimited);
        return begun;
    }
    /// Passes the frames of the body to the connection.
    void send(context& cx) {
        while (sending_ && !failure_) {
            auto ready = io_.poll_ready(cx);
            if (!ready) return;
            if (!*ready) return fail(convert_error<std::error_code>(ready->error()));
            auto next = sending_->poll_next(cx);
            if (!next) return;
            if (!*next) {
                sending_.reset();
            } else if (const auto passed = put(**std::move(next)); !passed && !sending_->refuse(passed.error())) {
                return fail(passed.error());
            }
        }
    }
    template <class Frame>
    result<void> put(Frame&& frame) {
        auto passed = io_.start_send(out_frame(std::forward<Frame>(frame)));
        if (!passed) return std::unexpected(convert_error<std::error_code>(passed.error()));
        unflushed_ = true;
        return {};
    }
    poll_result<result<void>> flush(context& cx) {
        if (failure_) return result<void>(std::unexpect, failure_);
        auto flushed = as_result(io_.poll_flush(cx));
        if (flushed) unflushed_ = false;
        if (flushed && !*flushed) fail(flushed->error());
        return flushed;
    }
    void fail(const std::error_code& error) {
        failure_ = error;
        sending_.reset();
    }
    using sending = sent_body<out_frame, typename Out::chunk_type>;

    Io io_;
    std::shared_ptr<body_inbox<in_chunk>> inbox_;
    std::optional<body_writer<in_chunk>> filling_;  // the body whose chunks arrive
    std::optional<received> waiting_;               // a message that has arrived
    std::optional<sending> sending_;                // the body of the last message
    std::error_code end_error_;                     // of the direction of reading; not yet reported
    std::error_code failure_;                       // of the direction of writing
    bool has_ended_ = false;
    bool unflushed_ = false;
};

}  // namespace eddy::detail
