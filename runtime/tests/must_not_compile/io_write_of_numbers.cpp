// expect-error: static assertion failed
// expect-error: eddy: this writes bytes: pass a string, or a container or span of char, unsigned char or std::byte
// only-error
// max-lines: 5
// covers: P041 I20.3.9
#include <eddy/net/tcp_stream.hpp>
#include <eddy/task/task.hpp>

#include <span>
#include <vector>

eddy::task<void> use(eddy::net::tcp_stream& stream, const std::vector<int>& numbers) {
#ifdef EDDY_CONTROL
    static_cast<void>(co_await stream.write_all(std::as_bytes(std::span(numbers))));
#else
    static_cast<void>(co_await stream.write_all(numbers));
#endif
}
