// expect-error: static assertion failed
// expect-error: eddy: this is a function, not a future: call it
// only-error
#include <eddy/task/task.hpp>
#include <eddy/task/task_local.hpp>

eddy::task_local<int> number;

eddy::task<void> work() { co_return; }

eddy::task<void> use() {
#ifdef EDDY_CONTROL
    co_await number.scope(7, work());
#else
    static_cast<void>(co_await number.scope(7, work));
#endif
}
