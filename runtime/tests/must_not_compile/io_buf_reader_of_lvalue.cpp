// A reader that cannot be copied must be moved into its buf_reader, or passed by std::ref.
//
// expect-error: static assertion failed
// expect-error: eddy: this takes ownership of its readers and writers: write std::move(x), or std::ref(x) to keep it
// only-error
#include <eddy/io.hpp>
#include <eddy/task/task.hpp>

#include <functional>
#include <string>

eddy::task<eddy::result<std::string>> use(eddy::io::duplex_stream& peer) {
#ifdef EDDY_CONTROL
    eddy::io::buf_reader buffered(std::ref(peer));
#else
    eddy::io::buf_reader buffered(peer);
#endif
    auto text = eddy::io::read_to_string(buffered);
    co_return co_await text;
}
