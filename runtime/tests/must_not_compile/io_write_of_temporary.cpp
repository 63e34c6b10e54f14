// expect-error: eddy: this may write only a part of its buffer, and the buffer is a temporary: store it in a variable
// only-error
// max-lines: 6
#include <eddy/net/tcp_stream.hpp>
#include <eddy/task/task.hpp>

#include <string>

eddy::task<void> use(eddy::net::tcp_stream& stream, const std::string& text) {
#ifdef EDDY_CONTROL
    static_cast<void>(co_await stream.write_all(text + "\r\n"));
#else
    static_cast<void>(co_await stream.write(text + "\r\n"));
#endif
}
