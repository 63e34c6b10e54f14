// expect-error: static assertion failed
// expect-error: eddy: this is not a reader: a reader needs poll_result<result<std::size_t>> poll_read(context&, std::span<std::byte>)
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

struct half_a_reader {
    std::size_t poll_read(eddy::context&, std::span<std::byte>) { return 0; }
};

eddy::task<eddy::result<void>> use() {
    std::array<std::byte, 4> bytes;
#ifdef EDDY_CONTROL
    eddy::io::empty from;
#else
    half_a_reader from;
#endif
    co_await eddy::try_(eddy::io::read_exact(from, bytes));
    co_return eddy::ok();
}
