// expect-error: static assertion failed
// expect-error: eddy: this reads into its argument, which is const
// only-error
// max-lines: 5
// covers: I20.3.9
#include <eddy/net/tcp_stream.hpp>
#include <eddy/task/task.hpp>

#include <string>

#ifdef EDDY_CONTROL
eddy::task<void> use(eddy::net::tcp_stream& stream, std::string& room) {
#else
eddy::task<void> use(eddy::net::tcp_stream& stream, const std::string& room) {
#endif
    static_cast<void>(co_await stream.read(room));
}
