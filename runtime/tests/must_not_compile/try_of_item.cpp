// expect-error: static assertion failed
// expect-error: eddy: an item is a result inside of an optional, which is empty at the end: write try_(items.try_next())
// only-error
#include <eddy/io/buf_reader.hpp>
#include <eddy/io/lines.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/task/task.hpp>

#include <string>
#include <utility>

eddy::task<eddy::result<std::size_t>> sizes(eddy::net::tcp_stream peer) {
    auto lines = eddy::io::lines(eddy::io::buf_reader(std::move(peer)));
    std::size_t all = 0;
#ifdef EDDY_CONTROL
    while (auto line = co_await eddy::try_(lines.try_next())) all += line->size();
#else
    while (auto line = co_await eddy::try_(lines.next())) all += line->size();
#endif
    co_return all;
}
