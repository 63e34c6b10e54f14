// A task has no value to test.
//
// expect-error: a task has no value to test: await it in a statement of its own, and test the result
#include <eddy/task/task.hpp>

eddy::task<bool> is_ready();

eddy::task<int> use() {
#ifdef EDDY_CONTROL
    const bool ready = co_await is_ready();
    if (ready) co_return 1;
#else
    if (is_ready()) co_return 1;
#endif
    co_return 2;
}
