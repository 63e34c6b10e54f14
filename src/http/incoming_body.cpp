// SPDX-License-Identifier: MIT
#include "http/incoming_body.hpp"

#include <mutex>
#include <utility>

#include <eddy/http/error.hpp>

namespace eddy::inline v0_1::detail {
namespace {

class incoming_source final : public body_source {
public:
    explicit incoming_source(std::shared_ptr<incoming_body> from) noexcept : from_(std::move(from)) {}
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        return from_->poll_read(cx, into);
    }
    http::headers make_trailers() override { return from_->trailers(); }

private:
    std::shared_ptr<incoming_body> from_;
};

}  // namespace

std::error_code incoming_body::get_failure() {
    const std::lock_guard guard(lock);
    return failure;
}

void incoming_body::ask() {
    if (std::exchange(expects_continue, false)) append_continue(stream->out());
}

void incoming_body::detach() noexcept {
    waker waiting;
    {
        const std::lock_guard guard(lock);
        stream = nullptr;
        waiting = std::exchange(reader, waker());
    }
    std::move(waiting).wake();
}

poll_result<result<std::size_t>> incoming_body::poll_read(context& cx, std::span<std::byte> into) {
    const std::lock_guard guard(lock);
    if (stream == nullptr) return result<std::size_t>(std::unexpect, make_error_code(http::errc::body_detached));
    if (failure) return result<std::size_t>(std::unexpect, failure);
    ask();
    poll_result<result<std::size_t>> count = not_ready;
    try {
        count = stream->poll_body(cx, decoder, into);
    } catch (...) {
        // Received bytes may be lost, so the following bytes must not be parsed as requests.
        failure = error_of_exception();
        throw;
    }
    if (count) {
        reader = waker();
        if (!*count) failure = count->error();
    } else {
        reader = cx.waker();
        if (!has_response) {  // otherwise, this would replace the waker of the task that sends the response
            const auto flushed = stream->poll_flush(cx);  // "100 Continue", if another task reads the body
            if (flushed && !*flushed) failure = flushed->error();
        }
        if (failure) return result<std::size_t>(std::unexpect, failure);
    }
    return count;
}

http::headers incoming_body::trailers() {
    const std::lock_guard guard(lock);
    return decoder.trailers();
}

http::body make_incoming_body(std::shared_ptr<incoming_body> from, std::optional<std::uint64_t> size) {
    return http::body::from_source(std::make_unique<incoming_source>(std::move(from)), size);
}

}  // namespace eddy::detail
