// expect-error: static assertion failed
// expect-error: eddy: spawn takes a future, or a callable without parameters that returns one
// expect-error: for a function with parameters, spawn its result
// only-error
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

eddy::task<void> work(int) { co_return; }

int main() {
#ifdef EDDY_CONTROL
    eddy::spawn(work(5)).detach();
#else
    eddy::spawn(work);
#endif
}
