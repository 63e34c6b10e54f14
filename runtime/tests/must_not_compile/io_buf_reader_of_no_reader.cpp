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

int main() {
#ifdef EDDY_CONTROL
    eddy::io::buf_reader from{eddy::io::empty()};
#else
    eddy::io::buf_reader from{eddy::io::sink()};
#endif
    static_cast<void>(from.capacity());
}
