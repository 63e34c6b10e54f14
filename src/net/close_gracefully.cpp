// SPDX-License-Identifier: MIT
#include <eddy/net/close_gracefully.hpp>

#include <array>
#include <cstddef>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/join.hpp>
#include <eddy/time/timeout.hpp>

namespace eddy::inline v0_1::net {
namespace {

/// Reads until the end of the stream.
template <class Reader>
task<result<void>> discard_all(Reader& reader) {
    std::array<std::byte, 8192> discarded;
    for (;;) {
        const auto count = co_await reader.read(discarded);
        if (!count) co_return std::unexpected(count.error());
        if (*count == 0) co_return ok();
    }
}

template <class Reader, class Writer>
task<result<void>> end_both(Reader& reader, Writer& writer, std::chrono::nanoseconds limit) {
    // Reads and writes at the same time: the peer may read only after it has sent everything, and the writer may have
    // unsent bytes.
    auto both = join(writer.shutdown(), discard_all(reader));
    auto limited = time::timeout(limit, std::move(both));
    const auto ended = co_await limited;
    if (!ended) co_return std::unexpected(make_error_code(errc::timed_out));
    const auto& [shut_down, discarded] = *ended;
    // Prefers the reader's error: after a reset, that error is the reason.
    co_return discarded ? shut_down : discarded;
}

}  // namespace

task<result<void>> close_gracefully(tcp_stream stream, std::chrono::nanoseconds limit) {
    co_return co_await end_both(stream, stream, limit);
}

task<result<void>> close_gracefully(unix_stream stream, std::chrono::nanoseconds limit) {
    co_return co_await end_both(stream, stream, limit);
}

task<result<void>> close_gracefully(owned_read_half<tcp_stream> reader, owned_write_half<tcp_stream> writer,
                                    std::chrono::nanoseconds limit) {
    co_return co_await end_both(reader, writer, limit);
}

task<result<void>> close_gracefully(owned_read_half<unix_stream> reader, owned_write_half<unix_stream> writer,
                                    std::chrono::nanoseconds limit) {
    co_return co_await end_both(reader, writer, limit);
}

}  // namespace eddy::net
