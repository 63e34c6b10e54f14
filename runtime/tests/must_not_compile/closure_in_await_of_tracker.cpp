// The same, for the handle of a task_tracker.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: eddy: GCC 12 destroys the captures of a lambda twice if it is written in a co_await expression: name the future first, `auto task = eddy::spawn(...);`, and then await it
// only-error
#include <eddy/sync/task_tracker.hpp>
#include <eddy/task/task.hpp>

#include <memory>

eddy::task<int> use(const eddy::sync::task_tracker& tasks, std::unique_ptr<int> p) {
#ifdef EDDY_CONTROL
    auto work = tasks.spawn([p = std::move(p)] { return *p; });
    const auto got = co_await work;
#else
    const auto got = co_await tasks.spawn([p = std::move(p)] { return *p; });
#endif
    co_return got.value();
}
