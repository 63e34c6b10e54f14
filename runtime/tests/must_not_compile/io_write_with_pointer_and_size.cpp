// expect-error: eddy: this takes the buffer as one argument: std::span(x).first(size), or std::span(pointer, size)
// only-error
// max-lines: 6
#include <eddy/io.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/task/task.hpp>

#include <span>

eddy::task<void> use(eddy::net::tcp_stream& stream, const char* text) {
#ifdef EDDY_CONTROL
    static_cast<void>(co_await stream.write_all(std::span(text, 5)));
    static_cast<void>(co_await eddy::io::write_all(stream, std::span(text, 5)));
#else
    static_cast<void>(co_await eddy::io::write_all(stream, text, 5));
#endif
}
