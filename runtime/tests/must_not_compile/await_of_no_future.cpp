// Only futures can be awaited.
//
// expect-error: static assertion failed
// expect-error: eddy: this cannot be awaited: it is not a future
#include <eddy/future/ready.hpp>
#include <eddy/task/task.hpp>

eddy::task<int> number() {
#ifdef EDDY_CONTROL
    co_return co_await eddy::ready(1);
#else
    co_return co_await 1;
#endif
}
