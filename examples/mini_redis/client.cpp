// SPDX-License-Identifier: MIT
#include "client.hpp"

#include <eddy/error.hpp>
#include <eddy/future/try.hpp>

namespace mini_redis {
namespace {

using eddy::result;
using eddy::task;

constexpr std::size_t read_size = 16 * 1024;

/// Converts a reply to the type that a command returns.
/// Errors: invalid_argument for another type.
template <class T>
result<T> take(reply&& from) {
    if (T* const is = from.get_if<T>()) return std::move(*is);
    return std::unexpected(std::make_error_code(std::errc::invalid_argument));
}

/// Returns whether a push confirms a subscription. Other pushes are messages.
bool is_confirmation(const reply& push) {
    const auto* const parts = push.get_if<reply::array>();
    if (parts == nullptr || parts->empty()) return false;
    const auto* const kind = parts->front().get_if<std::string>();
    return kind != nullptr && *kind == "subscribe";
}

result<std::optional<std::string>> take_text(reply&& from) {
    if (from.is_nil()) return std::optional<std::string>();
    auto text = take<std::string>(std::move(from));
    if (!text) return std::unexpected(text.error());
    return std::optional<std::string>(*std::move(text));
}

task<result<std::optional<std::string>>> as_text(task<result<reply>> call) {
    auto got = co_await eddy::try_(std::move(call));
    co_return take_text(std::move(got));
}

task<result<void>> as_status(task<result<reply>> call) {
    auto got = co_await eddy::try_(std::move(call));
    co_await eddy::try_(take<reply::status>(std::move(got)));
    co_return eddy::ok();
}

template <class T>
task<result<T>> as(task<result<reply>> call) {
    auto got = co_await eddy::try_(std::move(call));
    co_return take<T>(std::move(got));
}

}  // namespace

task<result<client>> client::connect(std::string where) {
    auto stream = co_await eddy::try_(eddy::net::tcp_stream::connect(where));
    co_await eddy::try_(stream.set_nodelay(true));
    co_return client(std::move(stream));
}

void client::queue(words request) {
    static_cast<void>(codec_.encode(request, out_));
    ++queued_;
}

task<result<reply>> client::call(words request) {
    queue(request);
    return exchange();
}

task<result<reply>> client::exchange() {
    auto replies = co_await eddy::try_(run_queued());
    co_return std::move(replies.back());
}

task<result<std::vector<reply>>> client::run_queued() {
    co_await eddy::try_(send());
    std::vector<reply> replies;
    for (; queued_ > 0; --queued_) {
        auto next = co_await eddy::try_(receive());
        replies.push_back(std::move(next));
    }
    co_return replies;
}

task<result<void>> client::send() {
    const auto all = out_.split();
    co_return co_await stream_.write_all(all.chunk());
}

task<result<reply>> client::receive() {
    for (;;) {
        if (auto next = co_await eddy::try_(codec_.decode(in_))) co_return *std::move(next);
        in_.reserve(read_size);
        const std::size_t count = co_await eddy::try_(stream_.read(in_.chunk_mut()));
        if (count == 0) co_return std::unexpected(make_error_code(eddy::errc::unexpected_eof));
        in_.advance_mut(count);
    }
}

// ---- Some commands ----

task<result<std::optional<std::string>>> client::get(std::string_view key) { return as_text(call("GET", key)); }

task<result<void>> client::set(std::string_view key, std::string_view value) {
    return as_status(call("SET", key, value));
}

task<result<std::int64_t>> client::incr(std::string_view key) { return as<std::int64_t>(call("INCR", key)); }

task<result<std::int64_t>> client::publish(std::string_view channel, std::string_view message) {
    return as<std::int64_t>(call("PUBLISH", channel, message));
}

task<result<subscriber>> client::subscribe(std::vector<std::string> channels) && {
    client self(std::move(*this));
    for (const auto& each : channels) self.queue("SUBSCRIBE", each);
    co_await eddy::try_(self.send());
    // A message of one channel may arrive before the confirmation of the next channel.
    std::deque<reply> early;
    while (self.queued_ > 0) {
        auto got = co_await eddy::try_(self.receive());
        if (got.get_if<reply::array>() == nullptr) {
            co_return std::unexpected(std::make_error_code(std::errc::invalid_argument));
        }
        if (is_confirmation(got)) {
            --self.queued_;
        } else {
            early.push_back(std::move(got));
        }
    }
    co_return subscriber(std::move(self), std::move(early));
}

task<result<reply>> subscriber::receive() {
    if (!early_.empty()) {
        reply first = std::move(early_.front());
        early_.pop_front();
        co_return first;
    }
    auto next = co_await eddy::try_(client_.receive());
    co_return next;
}

task<result<message>> subscriber::next() {
    auto got = co_await eddy::try_(receive());
    auto* const parts = got.get_if<reply::array>();
    if (parts == nullptr || parts->size() != 3) {
        co_return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    }
    auto channel = co_await eddy::try_(take<std::string>(std::move((*parts)[1])));
    auto text = co_await eddy::try_(take<std::string>(std::move((*parts)[2])));
    co_return message(std::move(channel), std::move(text));
}

}  // namespace mini_redis
