// expect-error: static assertion failed
// expect-error: eddy: this is not a writer: a writer needs poll_write(context&, std::span<const std::byte>), poll_flush(context&) and poll_shutdown(context&)
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

eddy::task<eddy::result<void>> use() {
#ifdef EDDY_CONTROL
    eddy::io::sink to;
#else
    eddy::io::repeat to{std::byte{1}};
#endif
    co_return co_await eddy::io::write_all(to, "text");
}
