// try_ of a join handle unwraps only the outer layer. It returns the task's result, which may be an error.
//
// only: clang
// expect-error: write co_await try_(...)
// covers: I20.2.4
#include <eddy/result.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/task.hpp>

#pragma clang diagnostic error "-Wunused-result"

eddy::task<eddy::result<void>> use(eddy::join_handle<eddy::result<int>> handle) {
#ifdef EDDY_CONTROL
    co_await eddy::try_(co_await eddy::try_(handle));
#else
    co_await eddy::try_(handle);
#endif
    co_return eddy::ok();
}
