// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include <eddy/future/future.hpp>
#include <eddy/http/error.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>

#include "client/http2_client_connection.hpp"
#include "h2/http2.hpp"
#include "message/fields.hpp"

namespace eddy::detail {
namespace {

constexpr auto client_close_limit = std::chrono::seconds(1);

task<void> run_connection(std::unique_ptr<http2_client_connection> all) {
    const bool is_alive = co_await *all;
    if (!is_alive) co_return;
    auto closing = time::timeout(client_close_limit, connection_end(all->stream()));
    static_cast<void>(co_await closing);
}

/// The body of a request of which a part was read and not sent: that part, and the rest.
class unsent_source final : public described_source<unsent_source> {
public:
    unsent_source(http2_part&& read, http::headers&& trailers, http::body&& rest) noexcept
        : read_(std::move(read)), trailers_(std::move(trailers)), rest_(std::move(rest)) {}

    static constexpr auto wait_shape() { return inspect::waits_as(&unsent_source::rest_); }

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        const auto count = std::min(into.size(), read_.size());
        if (count == 0) return read_.is_last ? result<std::size_t>(0) : rest_.poll_read(cx, into);
        std::memcpy(into.data(), read_.memory.get() + read_.begin, count);
        read_.begin += count;
        return eddy::ok(count);
    }
    bool ends_with_peer() const noexcept override { return body_access::ends_with_peer(rest_); }
    bool may_have_trailers() const noexcept override { return true; }
    http::headers make_trailers() override { return read_.is_last ? trailers_ : trailers_to_send(rest_); }

private:
    http2_part read_;
    http::headers trailers_;  // if the part is the last one
    http::body rest_;
};

/// One request and its response on an HTTP/2 connection.
class http2_request_exchange final : public client_exchange {
public:
    http2_request_exchange(std::shared_ptr<http2_handle> on, std::shared_ptr<http2_call> call, http::body&& sent);
    http2_request_exchange(const http2_request_exchange&) = delete;
    http2_request_exchange& operator=(const http2_request_exchange&) = delete;
    ~http2_request_exchange() override { link().drop(call_); }

    poll_result<result<void>> poll_head(context& cx) override {
        poll_send(cx);
        if (send_error_) return result<void>(std::unexpect, send_error_);
        if (!link().poll_ready(*call_, cx.waker())) return not_ready;
        if (call_->failure) return result<void>(std::unexpect, call_->failure);
        return eddy::ok();
    }

    http::response take_response() override {
        auto& from = *call_->ready;
        http::response made(http::status{static_cast<std::uint16_t>(from.status)});
        made.version = http::version::http_2;
        made.headers = std::move(from.headers);
        if (!from.incoming) return made;
        std::string whole;
        if (from.incoming->take_complete(whole)) {
            made.body = http::body(std::move(whole));
            return made;
        }
        incoming_ = std::move(from.incoming);
        made.body = source_of(from.length);
        return made;
    }

    bool is_sent() const noexcept override { return !send_error_ && link().is_sent(*call_); }
    repeat may_repeat() const noexcept override { return send_error_ ? repeat::never : call_->again; }

    std::optional<http::request> take_request() override {
        if (!call_->is_streamed) return std::move(call_->asked);
        auto read = link().take_unsent(*call_);
        if (!read) return std::nullopt;
        auto taken = std::move(call_->asked);
        taken.body = std::move(sent_);
        if (read->size() == 0 && !read->is_last) return taken;
        auto unsent =
            std::make_unique<unsent_source>(*std::move(read), std::move(call_->trailers), std::move(taken.body));
        taken.body = body_access::from_source(std::move(unsent), call_->size);
        return taken;
    }

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        poll_send(cx);
        // The server waits for the rest of the request.
        if (send_error_) return result<std::size_t>(std::unexpect, send_error_);
        return incoming_->poll_read(cx, into);
    }
    bool may_have_trailers() const noexcept override { return true; }
    http::headers trailers() override { return incoming_->trailers(); }

    static constexpr auto wait_shape() {
        constexpr auto reads = [] {
            return inspect::named_wait("the response of an HTTP/2 server",
                                       inspect::child(&http2_request_exchange::sent_, "request"));
        };
        return inspect::waits_as(
            inspect::child_while(&http2_request_exchange::is_reading_, true, inspect::part<reads>()),
            &http2_request_exchange::incoming_, &http2_request_exchange::call_);
    }

private:
    [[nodiscard]] http2_link& link() const noexcept { return on_->link(); }

    /// Reads the next part of the request's body once the previous part was sent.
    void poll_send(context& cx) {
        is_reading_ = false;
        while (is_sending_ && link().wants_part(*call_, cx.waker())) {
            // SAFETY: the connection does not use the part while it is empty.
            auto& memory = call_->next.memory;
            if (!memory) memory = std::make_unique_for_overwrite<std::byte[]>(http2_part::capacity);
            try {
                const auto count = sent_.poll_read(cx, {memory.get(), http2_part::capacity});
                is_reading_ = !count;
                if (!count) return;
                if (!*count) return end_sending(count->error());
                const bool is_last = **count == 0 || body_access::has_ended(sent_);
                if (is_last) call_->trailers = trailers_to_send(sent_);
                link().fill(call_, **count, is_last);
                is_sending_ = !is_last;
            } catch (...) {
                end_sending(error_of_exception());
                throw;
            }
        }
    }
    /// Resets the stream, because the body of the request is incomplete.
    void end_sending(std::error_code why) {
        send_error_ = why;
        link().drop(call_);
        is_sending_ = false;
    }

    const std::shared_ptr<http2_handle> on_;
    const std::shared_ptr<http2_call> call_;
    http::body sent_;  // if it is a reader
    bool is_sending_;
    bool is_reading_ = false;  // waits for the reader of the request's body
    std::error_code send_error_;
    std::shared_ptr<http2_body> incoming_;
};

// Not in the class, where its description may be incomplete.
http2_request_exchange::http2_request_exchange(std::shared_ptr<http2_handle> on, std::shared_ptr<http2_call> call,
                                               http::body&& sent)
    : client_exchange(shape_of<http2_request_exchange>),
      on_(std::move(on)),
      call_(std::move(call)),
      sent_(std::move(sent)),
      is_sending_(call_->is_streamed) {}

}  // namespace

std::shared_ptr<http2_handle> start_http2(io::boxed_stream below, int socket, const http::client_options& options,
                                          std::string address) {
    auto link = std::make_shared<http2_link>(std::move(address));
    message_stream stream(std::move(below), options.io_timeout());
    auto connection = std::make_unique<http2_client_connection>(std::move(stream), socket, link, options);
    static_cast<void>(spawn_background(run_connection(std::move(connection))));
    return std::make_shared<http2_handle>(std::move(link));
}

bool is_open(const http2_handle& on) noexcept { return on.link().is_open(); }

const std::string& address_of(const http2_handle& on) noexcept { return on.link().address(); }

std::shared_ptr<client_exchange> start_http2_exchange(std::shared_ptr<http2_handle> on, http::request& asked,
                                                      const http::url& to) {
    const auto call = std::make_shared<http2_call>();
    call->authority = to.authority();
    call->is_https = to.is_https();
    call->size = asked.body.size();
    call->is_streamed = asked.body.in_memory() == nullptr;
    http::body sent;
    if (call->is_streamed) sent = std::move(asked.body);
    call->asked = std::move(asked);
    auto made = std::make_shared<http2_request_exchange>(on, call, std::move(sent));
    if (on->link().submit(call)) return made;
    asked = *made->take_request();
    return nullptr;
}

}  // namespace eddy::detail
