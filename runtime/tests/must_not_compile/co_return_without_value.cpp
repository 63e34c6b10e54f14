// The task of a result<void> ends with `co_return eddy::ok();`.
//
// expect-error: no member named
// expect-error: return_void
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

eddy::task<eddy::result<void>> work() {
#ifdef EDDY_CONTROL
    co_return eddy::ok();
#else
    co_return;
#endif
}
