// expect-error: eddy: this takes the buffer as one argument: std::span(x).first(size), or std::span(pointer, size)
// only-error
// max-lines: 6
// covers: I20.3.9
#include <eddy/io.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/task/task.hpp>

#include <span>

eddy::task<void> use(eddy::net::tcp_stream& stream, char* room) {
#ifdef EDDY_CONTROL
    static_cast<void>(co_await stream.read(std::span(room, 100)));
    static_cast<void>(co_await eddy::io::read_exact(stream, std::span(room, 100)));
#else
    static_cast<void>(co_await stream.read(room, 100));
#endif
}
