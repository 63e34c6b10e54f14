// expect-error: static assertion failed
// expect-error: eddy: this reads bytes: pass a string, or a container or span of char, unsigned char or std::byte
// only-error
// max-lines: 5
// covers: I20.3.9
#include <eddy/io/read_exact.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/task/task.hpp>

#include <span>
#include <vector>

eddy::task<void> use(eddy::net::tcp_stream& stream, std::vector<int>& numbers) {
#ifdef EDDY_CONTROL
    static_cast<void>(co_await eddy::io::read_exact(stream, std::as_writable_bytes(std::span(numbers))));
#else
    static_cast<void>(co_await eddy::io::read_exact(stream, numbers));
#endif
}
