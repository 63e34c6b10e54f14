// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <variant>

#include <eddy/detail/proto_inbox.hpp>
#include <eddy/detail/proto_streamed.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/proto/message.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// A pipelined connection of frames, as a stream and a sink of messages with streamed bodies. It receives one body at a
/// time, and sends one. While the reader of the received body is slow, no frame is read. The owner calls drive() in
/// each of its polls, because bodies move while no message does.
/// Thread safety: one thread at a time.
template <class Io, class Out, proto_side Side>
class pipelined_messages
    : frame_connection<Io, proto::pipelined_frame<typename Out::head_type, typename Out::chunk_type>> {
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
        : base(std::forward<Io>(io)), inbox_(std::make_shared<body_inbox<in_chunk>>()) {}

    /// For a server: accepts no further request. poll_next() returns the one that has arrived, and then the end.
    void stop() noexcept { is_stopped_ = true; }

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
            receive(cx);  // goes on with its body, even if the owner does not poll for another message
            return next;
        }
        if (!has_ended_ && !is_stopped_) return not_ready;
        const auto error = std::exchange(end_error_, std::error_code());
        return error ? std::optional<item_type>(std::unexpected(error)) : std::optional<item_type>();
    }

    poll_result<result<void>> poll_ready(context& cx) {
        send(cx);
        if (sending_) return not_ready;
        return this->write_ready(cx);
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
        stop();
        waiting_.reset();  // no call waits for this message
        receive(cx);
        send(cx);
        if (failure_) return result<void>(std::unexpect, failure_);
        if (!sending_ && (!filling_ || filling_->is_dropped())) return as_result(io_.poll_close(cx));
        auto flushed = flush(cx);
        if (flushed && !*flushed) return flushed;
        return not_ready;
    }

    /// Ends the body that is sent with an error, because its call was dropped.
    void stop_sending() {
        if (sending_) sending_->stop(make_error_code(errc::task_cancelled));
    }

private:
    using base = frame_connection<Io, out_frame>;
    using base::end_error_;
    using base::failure_;
    using base::flush;
    using base::has_ended_;
    using base::io_;
    using base::put;
    using base::unflushed_;

    void receive(context& cx) {
        while (inbox_->next_news(cx)) {
        }  // the news only wake this task
        while (!waiting_ && !has_ended_ && (filling_ || !is_stopped_)) {
            if (filling_ && filling_->is_full()) return;
            auto next = this->read(cx);
            if (!next) return;
            if (*next) {
                accept(**std::move(next));
            } else {
                end(end_error_);
            }
        }
    }
    template <class Frame>
    void accept(Frame&& frame) {
        if (auto* const head = std::get_if<typename types::in_head>(&frame)) {
            if (filling_) return end(std::make_error_code(std::errc::protocol_error));
            proto::body<in_chunk> body;
            if (head->has_body) body = filling_.emplace(inbox_, 0).reader();
            discarded_ = 0;
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
            if (filling_->is_dropped() && !may_discard()) return end(std::make_error_code(std::errc::message_size));
            static_cast<void>(filling_->put(chunk->chunk));  // it is not full
            return;
        }
        const auto* const error = std::get_if<proto::error_frame>(&frame);
        filling_->end(error != nullptr ? error->error : std::error_code());
        filling_.reset();
    }
    /// Counts a chunk that is not read. A client may discard any number, because it has selected its server.
    bool may_discard() noexcept { return Side == proto_side::client || ++discarded_ <= proto::max_discarded_chunks; }
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
        while (sending_) {
            auto ready = this->write_ready(cx);
            if (!ready) return;
            if (!*ready) return sending_.reset();
            auto next = sending_->poll_next(cx);
            if (!next) return;
            if (!*next) {
                sending_.reset();
            } else if (const auto passed = put(**std::move(next)); !passed && !sending_->refuse(passed.error())) {
                failure_ = passed.error();
            }
        }
    }
    using sending = sent_body<out_frame, typename Out::chunk_type>;

    std::shared_ptr<body_inbox<in_chunk>> inbox_;
    std::optional<body_writer<in_chunk>> filling_;  // the body whose chunks arrive
    std::optional<received> waiting_;               // a message that has arrived
    std::optional<sending> sending_;                // the body of the last message
    std::size_t discarded_ = 0;                     // chunks of the body whose chunks arrive
    bool is_stopped_ = false;
};

}  // namespace eddy::detail
