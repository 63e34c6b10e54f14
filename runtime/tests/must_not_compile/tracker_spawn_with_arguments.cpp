// expect-error: eddy: spawn takes no arguments for the work: call it, spawn(f(x)), or bind them in a lambda
// only-error
#include <eddy/sync/task_tracker.hpp>
#include <eddy/task/task.hpp>

eddy::task<int> twice(int a) { co_return 2 * a; }

eddy::task<int> use(eddy::sync::task_tracker tracker) {
#ifdef EDDY_CONTROL
    auto work = tracker.spawn(twice(3));
#else
    auto work = tracker.spawn(twice, 3);
#endif
    auto output = co_await work;
    co_return *output + 1;
}
