// expect-error: static assertion failed
// expect-error: eddy: this borrows its reader or writer: store it in a variable, and pass the variable
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

eddy::task<eddy::result<std::string>> use() {
#ifdef EDDY_CONTROL
    eddy::io::empty from;
    co_return co_await eddy::io::read_to_string(from);
#else
    co_return co_await eddy::io::read_to_string(eddy::io::empty());
#endif
}
