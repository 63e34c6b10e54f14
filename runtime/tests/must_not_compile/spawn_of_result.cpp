// The output of spawned work is discarded, so an error in it would be lost.
// expect-error: static assertion failed
// expect-error: eddy: the output of spawned work is discarded, so it must be void
#include <eddy/runtime/core.hpp>
#include <eddy/task/task.hpp>

eddy::task<eddy::result<void>> fails() { co_return std::unexpected(eddy::make_error_code(eddy::errc::timed_out)); }
eddy::task<void> handles() { static_cast<void>(co_await fails()); }

int main() {
    eddy::core loop;
#ifdef EDDY_CONTROL
    loop.handle().spawn(handles());
#else
    loop.handle().spawn(fails());
#endif
}
