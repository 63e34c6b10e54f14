// SPDX-License-Identifier: MIT
#include <eddy/net/close_gracefully.hpp>

namespace eddy::net {

// These functions are compiled once, and not in each program that closes a socket.

task<result<void>> close_gracefully(tcp_stream stream, std::chrono::nanoseconds limit) {
    return close_gracefully<tcp_stream>(std::move(stream), limit);
}

task<result<void>> close_gracefully(unix_stream stream, std::chrono::nanoseconds limit) {
    return close_gracefully<unix_stream>(std::move(stream), limit);
}

task<result<void>> close_gracefully(owned_read_half<tcp_stream> reader, owned_write_half<tcp_stream> writer,
                                    std::chrono::nanoseconds limit) {
    using read_half = owned_read_half<tcp_stream>;
    using write_half = owned_write_half<tcp_stream>;
    return close_gracefully<read_half, write_half>(std::move(reader), std::move(writer), limit);
}

task<result<void>> close_gracefully(owned_read_half<unix_stream> reader, owned_write_half<unix_stream> writer,
                                    std::chrono::nanoseconds limit) {
    using read_half = owned_read_half<unix_stream>;
    using write_half = owned_write_half<unix_stream>;
    return close_gracefully<read_half, write_half>(std::move(reader), std::move(writer), limit);
}

}  // namespace eddy::net
