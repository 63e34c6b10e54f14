// A callback that calls a task and does not return it.
//
// expect-error: a task does nothing until it is awaited, spawned or run
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>

#pragma GCC diagnostic error "-Wunused-result"

eddy::task<> show(int number);

eddy::task<> use() {
#ifdef EDDY_CONTROL
    static_cast<void>(co_await eddy::streams::of(1, 2).for_each([](int n) { return show(n); }));
#else
    static_cast<void>(co_await eddy::streams::of(1, 2).for_each([](int n) { show(n); }));
#endif
}
