// expect-error: static assertion failed
// expect-error: eddy: this reads into a temporary, so the bytes would be lost: store it in a variable
// only-error
// max-lines: 5
// covers: I20.3.9
#include <eddy/net/tcp_stream.hpp>
#include <eddy/task/task.hpp>

#include <string>

eddy::task<void> use(eddy::net::tcp_stream& stream) {
#ifdef EDDY_CONTROL
    std::string room(10, '\0');
    static_cast<void>(co_await stream.read_exact(room));
#else
    static_cast<void>(co_await stream.read_exact(std::string(10, '\0')));
#endif
}
