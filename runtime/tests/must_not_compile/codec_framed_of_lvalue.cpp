// A connection cannot be copied: move it into the framed object, or pass a reference.
//
// expect-error: static assertion failed
// expect-error: eddy: this takes ownership of its readers and writers: write std::move(x), or std::ref(x) to keep it
// only-error
#include <eddy/codec.hpp>
#include <eddy/io.hpp>
#include <eddy/task/task.hpp>

#include <functional>

eddy::task<bool> use(eddy::io::duplex_stream& peer) {
#ifdef EDDY_CONTROL
    eddy::codec::framed lines(std::ref(peer), eddy::codec::lines_codec());
#else
    eddy::codec::framed lines(peer, eddy::codec::lines_codec());
#endif
    auto next = co_await lines.next();
    co_return next.has_value();
}
