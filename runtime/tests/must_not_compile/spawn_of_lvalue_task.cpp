// expect-error: static assertion failed
// expect-error: eddy: spawn takes ownership of the work: write std::move
#include <eddy/runtime/core.hpp>
#include <eddy/task/task.hpp>

eddy::task<void> nothing() { co_return; }

int main() {
    eddy::core loop;
    auto work = nothing();
#ifdef EDDY_CONTROL
    loop.handle().spawn(std::move(work));
#else
    loop.handle().spawn(work);
#endif
}
