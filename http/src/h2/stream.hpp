// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/http/headers.hpp>
#include <eddy/time/clock.hpp>

#include "h2/http2_body.hpp"

namespace eddy::detail {

/// A part of a sent body that was read and not yet sent. It is filled while it is empty; the connection empties it.
struct http2_part {
    static constexpr std::size_t capacity = 32 * 1024;

    std::unique_ptr<std::byte[]> memory;
    std::size_t begin = 0;
    std::size_t end = 0;
    bool is_last = false;

    http2_part() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    [[nodiscard]] std::size_t size() const noexcept { return end - begin; }
};

/// A stream, as the connections of servers and clients see it.
struct http2_stream {
    explicit http2_stream(std::int32_t stream = 0) noexcept : id(stream) {}

    std::int32_t id;                       // 0 before a client has opened the stream
    bool is_open = true;                   // nghttp2 has not closed the stream
    bool has_ended = false;                // the peer has sent its end
    bool was_reset = false;                // by this side
    bool has_part = false;                 // bytes of the sent body wait until the peer has room for them
    bool is_streamed = false;              // the sent body is a reader
    std::shared_ptr<http2_body> incoming;  // null if no body is received
    std::string_view in_memory;            // the rest of a sent body that is in memory
    http2_part next;                       // of a sent body that is a reader
    http::headers trailers;                // of a sent body that is a reader, after its last part was read
    time::time_point since;                // the last progress of the sent body
    std::size_t index = 0;                 // in the list of the connection
};

/// Adds a stream at the end of a list.
template <class Pointer>
void add_stream(std::vector<Pointer>& to, Pointer one) {
    one->index = to.size();
    to.push_back(std::move(one));
}
/// Removes a stream, which is in the list. The last one gets its place.
template <class Pointer>
Pointer take_stream(std::vector<Pointer>& from, const http2_stream& one) noexcept {
    auto& place = from[one.index];
    std::swap(place, from.back());
    place->index = one.index;
    auto taken = std::move(from.back());
    from.pop_back();
    return taken;
}

}  // namespace eddy::detail
