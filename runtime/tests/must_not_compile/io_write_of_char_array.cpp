// expect-error: static assertion failed
// expect-error: eddy: this array may contain text or bytes: pass std::string_view(x) up to its NUL, or std::span(x)
// only-error
// max-lines: 5
// covers: I20.3.9
#include <eddy/net/tcp_stream.hpp>
#include <eddy/task/task.hpp>

#include <span>

eddy::task<void> use(eddy::net::tcp_stream& stream) {
    char line[80] = "hello";
#ifdef EDDY_CONTROL
    static_cast<void>(co_await stream.write_all(std::span(line)));
#else
    static_cast<void>(co_await stream.write_all(line));
#endif
}
