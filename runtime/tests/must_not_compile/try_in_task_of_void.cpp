// try_ cannot return the error if the coroutine's output is not a std::expected.
//
// expect-error: static assertion failed
// expect-error: eddy: try_ ends the coroutine with an error, so its output must be a std::expected
#include <eddy/task/task.hpp>

eddy::task<eddy::result<int>> number();

#ifdef EDDY_CONTROL
eddy::task<eddy::result<void>> use() {
    static_cast<void>(co_await eddy::try_(number()));
    co_return {};
}
#else
eddy::task<void> use() { static_cast<void>(co_await eddy::try_(number())); }
#endif
