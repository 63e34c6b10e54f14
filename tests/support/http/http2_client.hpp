// SPDX-License-Identifier: MIT
#pragma once

#include <nghttp2/nghttp2.h>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/task.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace support {

/// An HTTP/2 client that uses nghttp2, over any stream of bytes.
class http2_client {
public:
    using fields = std::vector<std::pair<std::string, std::string>>;

    /// A response, as far as it was received.
    struct response {
        std::string status;
        std::vector<std::string> early;  // the statuses of interim responses
        fields head;
        std::string body;
        std::optional<std::uint32_t> closed;  // the error code of the stream's end; nullopt while the stream is open

        response() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
        std::string get(std::string_view name) const {
            for (const auto& [key, value] : head)
                if (key == name) return value;
            return "";
        }
    };

    /// Returns a list of fields from alternating names and values. GCC 12 cannot compile such a list in braces in a
    /// coroutine.
    template <class... Text>
    static fields list(const Text&... texts) {
        const std::vector<std::string> flat{std::string(texts)...};
        fields all;
        for (std::size_t i = 0; i + 1 < flat.size(); i += 2) all.emplace_back(flat[i], flat[i + 1]);
        return all;
    }

    explicit http2_client(eddy::io::duplex_stream&& below, std::vector<nghttp2_settings_entry> settings = {})
        : stream_(std::move(below)) {
        nghttp2_session_callbacks* callbacks = nullptr;
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_session_callbacks_set_on_header_callback(
            callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                          const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
                of(user, frame->hd.stream_id).add(text(name, name_size), text(value, value_size));
                return 0;
            });
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
            callbacks, [](nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size,
                          void* user) {
                of(user, id).got.body += text(data, size);
                return 0;
            });
        nghttp2_session_callbacks_set_on_stream_close_callback(
            callbacks, [](nghttp2_session*, std::int32_t id, std::uint32_t error, void* user) {
                of(user, id).got.closed = error;
                return 0;
            });
        nghttp2_session_callbacks_set_on_frame_recv_callback(
            callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
                if (frame->hd.type == NGHTTP2_GOAWAY)
                    static_cast<http2_client*>(user)->goaways_.push_back(
                        {frame->goaway.last_stream_id, frame->goaway.error_code});
                return 0;
            });
        nghttp2_session* made = nullptr;
        nghttp2_option* options = nullptr;
        nghttp2_option_new(&options);
        nghttp2_session_client_new2(&made, callbacks, this, options);
        nghttp2_option_del(options);
        nghttp2_session_callbacks_del(callbacks);
        session_.reset(made);
        nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
    }

    /// Submits a request. If `is_open`, the body continues after `body`: call send_more() afterwards.
    std::int32_t ask(std::string_view method, std::string_view path, const fields& more = {},
                     std::optional<std::string> body = std::nullopt, bool is_open = false) {
        fields all = {{":method", std::string(method)}, {":scheme", "http"}, {":path", std::string(path)}};
        const bool has_authority = std::ranges::any_of(more, [](const auto& one) { return one.first == ":authority"; });
        if (!has_authority) all.emplace_back(":authority", "a");
        // A caller that passes `:authority` in `more` must pass it first: pseudo-header fields precede other fields.
        all.insert(all.end(), more.begin(), more.end());
        return ask_raw(all, std::move(body), is_open);
    }
    /// Submits a request with exactly these fields.
    std::int32_t ask_raw(fields all, std::optional<std::string> body = std::nullopt, bool is_open = false) {
        std::vector<nghttp2_nv> list;
        for (auto& [name, value] : all)
            list.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
        auto made = std::make_unique<stream>();
        auto* const one = made.get();
        one->sends = body.value_or("");
        one->is_open = is_open;
        nghttp2_data_provider provider{};
        provider.source.ptr = one;
        provider.read_callback = &read_body;
        const bool has_body = body || is_open;
        const auto id = nghttp2_submit_request(session_.get(), nullptr, list.data(), list.size(),
                                               has_body ? &provider : nullptr, nullptr);
        streams_[id] = std::move(made);
        return id;
    }
    /// Sends another part of the body of a request that was submitted with `is_open`.
    void send_more(std::int32_t id, std::string_view part, bool is_last) {
        auto& one = *streams_.at(id);
        one.sends += part;
        one.is_open = !is_last;
        nghttp2_session_resume_data(session_.get(), id);
    }
    /// Ends the body of a request that was submitted with `is_open`, with a trailer field.
    void end_with_trailer(std::int32_t id, std::string name, std::string value) {
        streams_.at(id)->trailer = {std::move(name), std::move(value)};
        send_more(id, "", true);
    }
    void reset(std::int32_t id) { nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL); }
    nghttp2_session* session() const noexcept { return session_.get(); }
    const response& at(std::int32_t id) const { return streams_.at(id)->got; }
    /// Returns the last stream id and the error code of each received GOAWAY frame.
    const std::vector<std::pair<std::int32_t, std::uint32_t>>& goaways() const noexcept { return goaways_; }
    bool has_ended() const noexcept { return has_ended_; }

    /// Sends all submitted frames.
    eddy::task<void> flush() {
        for (;;) {
            const std::uint8_t* data = nullptr;
            const auto count = nghttp2_session_mem_send(session_.get(), &data);
            if (count <= 0) co_return;
            const std::string copy(text(data, static_cast<std::size_t>(count)));
            const auto sent = co_await eddy::io::write_all(stream_, copy);
            if (!sent) co_return;
        }
    }
    /// Sends all submitted frames, and receives once. Returns whether the connection continues.
    eddy::task<bool> step() {
        co_await flush();
        std::array<std::byte, 4096> some{};
        const auto count = co_await eddy::io::read(stream_, some);
        if (!count || *count == 0) {
            has_ended_ = true;
            co_return false;
        }
        const auto used =
            nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const std::uint8_t*>(some.data()), *count);
        co_await flush();
        co_return used >= 0;
    }
    /// Calls step() until the stream is closed or the connection has ended. Returns the response.
    eddy::task<response> finish(std::int32_t id) {
        while (!at(id).closed) {
            const bool continues = co_await step();
            if (!continues) break;
        }
        co_return at(id);
    }
    /// Calls step() until the connection has ended.
    eddy::task<void> finish_all() {
        for (;;) {
            const bool continues = co_await step();
            if (!continues) co_return;
        }
    }
    /// Sends a request without a body, and returns the response.
    eddy::task<response> get(std::string path, fields more = {}) { return finish(ask("GET", path, more)); }
    eddy::task<void> close() {
        static_cast<void>(co_await eddy::poll_fn([this](eddy::context& cx) { return stream_.poll_shutdown(cx); }));
    }

private:
    struct stream {
        std::string sends;
        std::size_t sent = 0;
        bool is_open = false;
        std::pair<std::string, std::string> trailer;
        response got;

        stream() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
        void add(std::string_view name, std::string_view value) {
            if (name == ":status") {
                if (!got.status.empty()) got.early.push_back(got.status);
                got.status = value;
            } else {
                got.head.emplace_back(name, value);
            }
        }
    };

    static stream& of(void* user, std::int32_t id) {
        auto& made = static_cast<http2_client*>(user)->streams_[id];
        if (!made) made = std::make_unique<stream>();
        return *made;
    }
    static std::string_view text(const std::uint8_t* data, std::size_t size) {
        return {reinterpret_cast<const char*>(data), size};
    }
    static std::uint8_t* bytes(std::string& of) { return reinterpret_cast<std::uint8_t*>(of.data()); }
    static ssize_t read_body(nghttp2_session* session, std::int32_t id, std::uint8_t* into, std::size_t most,
                             std::uint32_t* flags, nghttp2_data_source* source, void*) {
        auto& one = *static_cast<stream*>(source->ptr);
        const auto count = std::min(most, one.sends.size() - one.sent);
        if (count == 0 && one.is_open) return NGHTTP2_ERR_DEFERRED;
        std::memcpy(into, one.sends.data() + one.sent, count);
        one.sent += count;
        if (one.sent != one.sends.size() || one.is_open) return static_cast<ssize_t>(count);
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (auto& [name, value] = one.trailer; !name.empty()) {
            const nghttp2_nv trailer{bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            nghttp2_submit_trailer(session, id, &trailer, 1);
        }
        return static_cast<ssize_t>(count);
    }
    struct deleter {
        void operator()(nghttp2_session* session) const noexcept { nghttp2_session_del(session); }
    };

    eddy::io::duplex_stream stream_;
    std::map<std::int32_t, std::unique_ptr<stream>> streams_;
    std::vector<std::pair<std::int32_t, std::uint32_t>> goaways_;
    std::unique_ptr<nghttp2_session, deleter> session_;
    bool has_ended_ = false;
};

}  // namespace support
