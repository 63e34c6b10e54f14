// expect-error: static assertion failed
// expect-error: eddy: core.run takes a future, such as a task, or a function without parameters that returns one
#include <eddy/runtime/core.hpp>
#include <eddy/task/task.hpp>

eddy::task<void> nothing(int) { co_return; }

int main() {
    eddy::core loop;
#ifdef EDDY_CONTROL
    loop.run(nothing(1));
#else
    loop.run(nothing);
#endif
}
