// expect-error: static assertion failed
// expect-error: eddy: this takes ownership of its readers and writers: write std::move(x), or std::ref(x) to keep it
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

eddy::task<eddy::result<std::string>> use(eddy::io::duplex_stream& peer) {
#ifdef EDDY_CONTROL
    auto head = eddy::io::take(std::ref(peer), 10);
#else
    auto head = eddy::io::take(peer, 10);
#endif
    auto text = eddy::io::read_to_string(head);
    co_return co_await text;
}
