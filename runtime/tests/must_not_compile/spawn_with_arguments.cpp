// expect-error: eddy: spawn takes no arguments for the work: call it, spawn(f(x)), or bind them in a lambda
// only-error
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

eddy::task<int> add(int a, int b) { co_return a + b; }

eddy::task<int> use(std::source_location where) {
    auto placed = eddy::spawn(add(1, 2), where);
    static_cast<void>(co_await placed);
#ifdef EDDY_CONTROL
    auto work = eddy::spawn(add(3, 4));
#else
    auto work = eddy::spawn(add, 3, 4);
#endif
    auto output = co_await work;
    co_return *output + 1;
}
