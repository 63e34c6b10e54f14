// expect-error: static assertion failed
// expect-error: eddy: core.run takes a future, such as a task: call the coroutine
#include <eddy/runtime/core.hpp>
#include <eddy/task/task.hpp>

eddy::task<void> nothing() { co_return; }

int main() {
    eddy::core loop;
#ifdef EDDY_CONTROL
    loop.run(nothing());
#else
    loop.run(nothing);
#endif
}
