// expect-error: eddy: spawn takes no arguments for the work: call it, spawn(f(x)), or bind them in a lambda
// only-error
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>

int square(int n) { return n * n; }

eddy::task<int> use() {
#ifdef EDDY_CONTROL
    auto work = eddy::spawn_blocking([] { return square(3); });
#else
    auto work = eddy::spawn_blocking(square, 3);
#endif
    co_return (co_await work).value();
}
