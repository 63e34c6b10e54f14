// Like closure_in_await_of_spawn.cpp, for handle::spawn and task_builder::spawn.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: eddy: GCC 12 destroys a closure's captures twice inside a co_await expression; name the future first
#include <eddy/runtime/handle.hpp>
#include <eddy/task/task.hpp>
#include <eddy/task/task_builder.hpp>

#include <memory>

eddy::task<int> use(eddy::handle on, std::unique_ptr<int> p) {
    const auto same = [](int i) { return i; };
#ifdef EDDY_CONTROL
    auto work = on.spawn([p = std::move(p)] { return *p; }).map(same);
    const auto got = co_await work;
    auto named = eddy::task_builder().spawn([q = std::make_unique<int>(2)] { return *q; }).map(same);
    const auto other = co_await named;
#else
    const auto got = co_await on.spawn([p = std::move(p)] { return *p; }).map(same);
    const auto other = co_await eddy::task_builder().spawn([q = std::make_unique<int>(2)] { return *q; }).map(same);
#endif
    co_return got.value() + other.value();
}
