// Like spawn_of_result.cpp, for a closure that is sent to the event loop.
// expect-error: static assertion failed
// expect-error: eddy: the output of spawned work is discarded, so it must be void
#include <eddy/runtime/core.hpp>
#include <eddy/task/task.hpp>

eddy::task<int> answers() { co_return 1; }
eddy::task<void> handles() { static_cast<void>(co_await answers()); }

int main() {
    eddy::core loop;
#ifdef EDDY_CONTROL
    loop.remote().spawn([](eddy::core_handle&) { return handles(); });
#else
    loop.remote().spawn([](eddy::core_handle&) { return answers(); });
#endif
}
