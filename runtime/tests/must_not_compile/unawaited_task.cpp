// A task that is called and not awaited does nothing.
//
// expect-error: a task does nothing until it is awaited, spawned or run
#include <eddy/task/task.hpp>

#pragma GCC diagnostic error "-Wunused-result"

eddy::task<> save();

eddy::task<> use() {
#ifdef EDDY_CONTROL
    co_await save();
#else
    save();
#endif
    co_return;
}
