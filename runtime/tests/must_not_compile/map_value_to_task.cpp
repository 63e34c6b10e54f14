// The task that the function returns would never run.
//
// expect-error: static assertion failed
// expect-error: eddy: the function given to map returns a task, which map does not run
#include <eddy/future/ready.hpp>
#include <eddy/task/task.hpp>

eddy::task<void> store(int) { co_return; }

int main() {
#ifdef EDDY_CONTROL
    static_cast<void>(eddy::ready(eddy::ok(1)).and_then(store));
#else
    static_cast<void>(eddy::ready(eddy::ok(1)).map(store));
#endif
}
