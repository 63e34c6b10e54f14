// expect-error: static assertion failed
// expect-error: eddy: this needs a reader with a buffer (poll_fill_buf, consume): write io::buf_reader(std::move(reader)), or io::buf_reader(std::ref(reader)) to keep it
// only-error
#include <eddy/future/try.hpp>
#include <eddy/io.hpp>
#include <eddy/task/task.hpp>

#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <utility>

eddy::task<std::string> use(eddy::io::duplex_stream peer) {
#ifdef EDDY_CONTROL
    auto lines = eddy::io::lines(eddy::io::buf_reader(std::move(peer)));
#else
    auto lines = eddy::io::lines(std::move(peer));
#endif
    auto line = co_await lines.next();
    co_return line->value();
}
