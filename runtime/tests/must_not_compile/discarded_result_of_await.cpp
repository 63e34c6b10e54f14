// Discarding an error is a warning where the compiler supports it.
//
// only: clang
// expect-error: write co_await try_(...), or store the result and check it
// covers: I20.2.4
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

#pragma clang diagnostic error "-Wunused-result"

eddy::task<eddy::result<int>> fails();

eddy::task<void> use() {
#ifdef EDDY_CONTROL
    static_cast<void>(co_await fails());
#else
    co_await fails();
#endif
}
