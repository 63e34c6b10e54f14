// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <limits>
#include <memory>
#include <optional>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <variant>

#include <eddy/detail/proto_inbox.hpp>
#include <eddy/detail/proto_streamed.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/proto/message.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/detail/stream_set.hpp>

namespace eddy::detail {

/// A multiplexed connection of frames, as a stream and a sink of messages with streamed bodies. The bodies of all
/// messages share the connection, and a body that waits for its reader or for credit delays no other. Reading stops
/// only while most_control() control frames wait to be sent. The owner calls drive() in each of its polls, because
/// bodies move while no message does.
///
/// An exchange is a request and its response. Frames of an exchange that has ended, or never began, are ignored: the
/// peer has sent them before it knew.
/// Thread safety: one thread at a time.
template <class Io, class Out, proto_side Side>
class multiplexed_messages
    : frame_connection<Io, proto::multiplexed_frame<typename Out::head_type, typename Out::chunk_type>> {
    using types = streamed_types<Io, Out, Side>;
    using in = typename types::in;
    using in_chunk = typename in::chunk_type;
    using in_head = typename types::in_head;

public:
    using out_frame = proto::multiplexed_frame<typename Out::head_type, typename Out::chunk_type>;
    using received = proto::numbered<typename types::received>;
    using sent = proto::numbered<typename types::sent>;
    using item_type = result<received>;
    using error_type = std::error_code;

    /// `limit` is the number of exchanges that the owner serves at the same time.
    multiplexed_messages(Io&& io, std::size_t limit)
        : base(std::forward<Io>(io)),
          limit_(std::min(limit, std::numeric_limits<std::size_t>::max() / 8)),  // most_control() does not overflow
          inbox_(std::make_shared<body_inbox<in_chunk>>()) {}

    /// For a server: accepts no further request. poll_next() returns those that have arrived, and then the end. Later
    /// requests are refused.
    void stop() noexcept { is_stopped_ = true; }

    void drive(context& cx) {
        take_news(cx);
        receive(cx);
        send(cx);
        if (unflushed_ && !failure_) static_cast<void>(flush(cx));
    }

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (waiting_.empty()) receive(cx);
        if (!waiting_.empty()) {
            std::optional<item_type> next(std::in_place, std::move(waiting_.front()));
            waiting_.pop_front();
            return next;
        }
        if (!has_ended_ && !is_stopped_) return not_ready;
        const auto error = std::exchange(end_error_, std::error_code());
        return error ? std::optional<item_type>(std::unexpected(error)) : std::optional<item_type>();
    }

    poll_result<result<void>> poll_ready(context& cx) {
        send(cx);
        if (!failure_ && (is_full() || !control_.empty())) return not_ready;
        return this->write_ready(cx);
    }
    result<void> start_send(sent&& one) {
        if constexpr (Side == proto_side::client) {
            return start(exchanges_.try_emplace(one.id).first, std::move(one.body));
        } else {
            const auto found = exchanges_.find(one.id);
            if (found == exchanges_.end()) return {};  // the client has cancelled it
            if (!one.body) return refuse(found, one.body.error());
            found->second.is_answered = true;
            auto begun = start(found, *std::move(one.body));
            // The encoder may refuse a response. The client learns it as an error of the service.
            return begun ? begun : put(one.id, proto::error_frame(begun.error()));
        }
    }
    poll_result<result<void>> poll_flush(context& cx) {
        send(cx);
        auto flushed = flush(cx);
        if (flushed && *flushed && !has_sent_all()) return not_ready;
        return flushed;
    }
    /// Waits until the bodies have ended in both directions.
    poll_result<result<void>> poll_close(context& cx) {
        stop();
        do {
            waiting_.clear();  // no call waits for these messages
            take_news(cx);
            receive(cx);
        } while (!waiting_.empty());
        send(cx);
        if (failure_) return result<void>(std::unexpect, failure_);
        if (has_sent_all() && !is_receiving()) return as_result(io_.poll_close(cx));
        auto flushed = flush(cx);
        if (flushed && !*flushed) return flushed;
        return not_ready;
    }

    /// For a server: returns the object that ends the call of a request when the client has cancelled it. Call it when
    /// poll_next() has returned the request.
    std::shared_ptr<call_end> end_of(std::uint64_t id) {
        auto made = std::make_shared<call_end>();
        exchanges_.find(id)->second.call = made;
        return made;
    }
    /// Ends an exchange of a client whose call was dropped.
    void cancel(std::uint64_t id) {
        const auto found = exchanges_.find(id);
        if (found == exchanges_.end()) return;
        control_.emplace_back(id, proto::cancel_frame());
        erase(found);
    }

private:
    using base = frame_connection<Io, out_frame>;
    using base::end_error_;
    using base::failure_;
    using base::flush;
    using base::has_ended_;
    using base::io_;
    using base::unflushed_;
    using frame = typename body_of<out_frame>::type;
    struct sending {
        sending(std::uint64_t number, proto::body<typename Out::chunk_type>&& chunks)
            : id(number), items(std::move(chunks), proto::body_window) {}
        std::uint64_t id;
        sent_body<frame, typename Out::chunk_type> items;
    };
    using sending_set = stream_set<sending>;
    struct exchange {
        std::optional<body_writer<in_chunk>> in;    // while the body of the peer arrives
        typename sending_set::node* out = nullptr;  // while the own body is sent
        std::shared_ptr<call_end> call;             // of a server, while the service runs
        bool is_answered = false;                   // the response, or its head, was sent or received
    };
    using exchanges = std::unordered_map<std::uint64_t, exchange>;
    using entry = typename exchanges::iterator;

    // ---- Receiving ----

    void take_news(context& cx) {
        while (const auto news = inbox_->next_news(cx)) {
            const auto found = exchanges_.find(news->id);
            if (found == exchanges_.end() || !found->second.in) continue;
            if (!news->is_dropped) {
                control_.emplace_back(news->id, proto::credit_frame(news->read));
                continue;
            }
            control_.emplace_back(news->id, proto::cancel_frame());
            if constexpr (Side == proto_side::client) {
                erase(found);
            } else {
                found->second.in.reset();
                erase_if_done(found);
            }
        }
    }
    void receive(context& cx) {
        while (!has_ended_) {
            // Bounds the memory for answers to a peer that does not read them. It has many frames to read then.
            if (control_.size() >= most_control()) send(cx);
            if (control_.size() >= most_control()) return;
            auto next = this->read(cx);
            if (!next) return;
            if (*next) {
                accept(**std::move(next));
            } else {
                end(end_error_);
            }
        }
    }
    [[nodiscard]] std::size_t most_control() const noexcept { return 4 * limit_ + 64; }

    template <class Frame>
    void accept(Frame&& one) {
        const auto found = exchanges_.find(one.id);
        if (auto* const head = std::get_if<in_head>(&one.body)) return accept_head(found, one.id, std::move(*head));
        if (found == exchanges_.end()) return;
        exchange& mine = found->second;
        if (auto* const chunk = std::get_if<typename types::in_chunk>(&one.body)) {
            if (mine.in && !mine.in->put(chunk->chunk)) end(std::make_error_code(std::errc::protocol_error));
        } else if (std::holds_alternative<proto::end_frame>(one.body)) {
            end_body(found, std::error_code());
        } else if (const auto* const error = std::get_if<proto::error_frame>(&one.body)) {
            accept_error(found, error->error);
        } else if (const auto* const credit = std::get_if<proto::credit_frame>(&one.body)) {
            if (mine.out != nullptr) mine.out->future.items.add_credit(credit->chunks);
        } else {
            accept_cancel(found);
        }
    }
    void accept_head(entry found, std::uint64_t id, in_head&& head) {
        if constexpr (Side == proto_side::client) {
            if (found == exchanges_.end()) {  // the owner knows whether there was such a call
                waiting_.emplace_back(id, result<in>(in(std::move(head.head))));
            } else if (found->second.is_answered) {
                end(std::make_error_code(std::errc::protocol_error));
            } else {
                found->second.is_answered = true;
                waiting_.emplace_back(id, result<in>(with_body(found, std::move(head))));
                erase_if_done(found);
            }
        } else {
            if (found != exchanges_.end()) return end(std::make_error_code(std::errc::protocol_error));
            // The client does not wait for the answers to its former requests.
            if (is_stopped_ || exchanges_.size() >= 2 * limit_) {
                control_.emplace_back(id, proto::error_frame(make_error_code(errc::overloaded)));
                return;
            }
            waiting_.emplace_back(id, with_body(exchanges_.try_emplace(id).first, std::move(head)));
        }
    }
    in with_body(entry to, in_head&& head) {
        if (!head.has_body) return in(std::move(head.head));
        to->second.in.emplace(inbox_, to->first);
        return in(std::move(head.head), to->second.in->reader());
    }
    void end_body(entry of, const std::error_code& error) {
        if (!of->second.in) return;
        of->second.in->end(error);
        of->second.in.reset();
        erase_if_done(of);
    }
    void accept_error(entry of, const std::error_code& error) {
        if constexpr (Side == proto_side::client) {
            if (!of->second.is_answered) {
                waiting_.emplace_back(of->first, result<in>(std::unexpect, error));
                return erase(of);
            }
        }
        end_body(of, error);
    }
    void accept_cancel(entry of) {
        if (of->second.in) {
            of->second.in->end(make_error_code(errc::task_cancelled));
            of->second.in.reset();
        }
        if constexpr (Side == proto_side::client) {
            stop_sending(of);
            erase_if_done(of);
        } else {
            if (of->second.call) of->second.call->cancel();
            std::erase_if(waiting_, [id = of->first](const received& each) { return each.id == id; });
            erase(of);
        }
    }
    /// Ends the direction of reading.
    void end(const std::error_code& error) {
        has_ended_ = true;
        end_error_ = error;
        for (auto& [id, one] : exchanges_) {
            if (one.out != nullptr) one.out->future.items.end_credit();
            if (!one.in) continue;
            if (!end_error_) end_error_ = make_error_code(errc::unexpected_eof);
            one.in->end(end_error_);
            one.in.reset();
        }
        std::erase_if(exchanges_, [](const auto& each) { return is_done(each.second); });
    }
    [[nodiscard]] bool is_receiving() const {
        return std::ranges::any_of(exchanges_, [](const auto& each) { return each.second.in.has_value(); });
    }

    // ---- Sending ----

    result<void> start(entry of, Out&& one) {
        const bool has_body = one.body.has_value();
        if (has_body) {
            // Before the head, because there may be no memory.
            of->second.out = &bodies_.push(sending(of->first, std::move(one.body)));
            if (has_ended_) of->second.out->future.items.end_credit();
        }
        auto begun = put(of->first, typename types::out_head(std::move(one.head), has_body));
        if (begun) {
            erase_if_done(of);
        } else {
            erase(of);
        }
        return begun;
    }
    /// Answers a request with an error.
    result<void> refuse(entry of, const std::error_code& error) {
        const std::uint64_t id = of->first;
        erase(of);
        return put(id, proto::error_frame(error));
    }
    void send(context& cx) {
        for (;;) {
            auto ready = this->write_ready(cx);
            if (!ready) return;
            if (!*ready) return control_.clear();  // reading continues
            if (!control_.empty()) {
                out_frame next = std::move(control_.front());
                control_.pop_front();
                const auto passed = put(next.id, std::move(next.body));
                if (!passed) failure_ = passed.error();
                continue;
            }
            auto next = bodies_.template poll_next<out_frame>(
                cx, [](sending& from, frame&& one) { return out_frame(from.id, std::move(one)); },
                [this](sending& from) { has_sent(from.id); });
            if (!next || !*next) return;
            const std::uint64_t id = (**next).id;
            const auto passed = put(id, (**std::move(next)).body);
            if (!passed && !is_refused(id, passed.error())) failure_ = passed.error();
        }
    }
    /// Whether a server sends as many bodies as it serves exchanges. A client is limited by its calls; the rest of a
    /// request's body that is sent after the response does not count.
    [[nodiscard]] bool is_full() const noexcept { return Side == proto_side::server && bodies_.size() >= limit_; }
    void has_sent(std::uint64_t id) {
        const auto found = exchanges_.find(id);
        if (found == exchanges_.end()) return;
        found->second.out = nullptr;
        erase_if_done(found);
    }
    /// Replaces a frame of a body that cannot be encoded by the end of the body with an error.
    bool is_refused(std::uint64_t id, const std::error_code& error) {
        const auto found = exchanges_.find(id);
        return found != exchanges_.end() && found->second.out != nullptr &&
               found->second.out->future.items.refuse(error);
    }
    template <class Content>
    result<void> put(std::uint64_t id, Content&& content) {
        return base::put(id, frame(std::forward<Content>(content)));
    }
    [[nodiscard]] bool has_sent_all() const noexcept { return bodies_.is_empty() && control_.empty(); }

    // ---- Exchanges ----

    void stop_sending(entry of) {
        if (of->second.out != nullptr) bodies_.release(*std::exchange(of->second.out, nullptr));
    }
    void erase(entry one) {
        stop_sending(one);
        exchanges_.erase(one);
    }
    static bool is_done(const exchange& one) noexcept { return one.is_answered && !one.in && one.out == nullptr; }
    void erase_if_done(entry one) {
        if (is_done(one->second)) exchanges_.erase(one);
    }

    const std::size_t limit_;
    std::shared_ptr<body_inbox<in_chunk>> inbox_;
    exchanges exchanges_;
    std::deque<received> waiting_;   // messages that have arrived
    std::deque<out_frame> control_;  // frames to send that are not part of a body
    sending_set bodies_;
    bool is_stopped_ = false;
};

}  // namespace eddy::detail
