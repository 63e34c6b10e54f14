// A task that is never used does nothing. The compiler warns about its variable.
//
// expect-error: unused variable
#include <eddy/task/task.hpp>

#pragma GCC diagnostic error "-Wunused-variable"

eddy::task<> work();

eddy::task<> use() {
    auto later = work();
#ifdef EDDY_CONTROL
    co_await later;
#endif
    co_return;
}
