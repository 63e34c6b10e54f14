// The same, for the handle of a task_builder in a join.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: eddy: GCC 12 destroys the captures of a lambda twice if it is written in a co_await expression: name the future first, `auto task = eddy::spawn(...);`, and then await it
// only-error
#include <eddy/future/join.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/task/task.hpp>
#include <eddy/task/task_builder.hpp>

#include <memory>

eddy::task<int> use(std::unique_ptr<int> p) {
#ifdef EDDY_CONTROL
    auto work = eddy::join(eddy::task_builder().spawn([p = std::move(p)] { return *p; }), eddy::ready(1));
    const auto got = co_await work;
#else
    const auto got = co_await eddy::join(eddy::task_builder().spawn([p = std::move(p)] { return *p; }), eddy::ready(1));
#endif
    co_return got.first.value() + got.second;
}
