// The value of try_ is the result of the task.
//
// only: clang
// expect-error: write co_await try_(...)
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
