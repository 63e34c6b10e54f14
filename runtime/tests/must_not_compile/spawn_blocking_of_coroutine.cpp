// A task does nothing until it is awaited, so a task created on a thread for blocking work would not run there.
//
// expect-error: static assertion failed
// expect-error: eddy: this function makes a task, which spawn_blocking would not run: spawn() it
// only-error
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>

eddy::task<int> use() {
#ifdef EDDY_CONTROL
    auto work = eddy::spawn([]() -> eddy::task<int> { co_return 1; });
#else
    auto work = eddy::spawn_blocking([]() -> eddy::task<int> { co_return 1; });
#endif
    auto output = co_await work;
    co_return *output + 1;
}
