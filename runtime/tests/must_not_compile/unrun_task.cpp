// A function that is not a coroutine calls a task and does not run it, for example main().
//
// expect-error: a task does nothing until it is awaited, spawned or run
#include <eddy/runtime/run.hpp>
#include <eddy/task/task.hpp>

#pragma GCC diagnostic error "-Wunused-result"

eddy::task<> async_main();

int use() {
#ifdef EDDY_CONTROL
    eddy::run(async_main());
#else
    async_main();
#endif
    return 0;
}
