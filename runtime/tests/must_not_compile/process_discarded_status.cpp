// A status that is not looked at may be that of a failure.
//
// only: clang
// expect-error: the process may have failed: call check()
// covers: P075
#include <eddy/process.hpp>
#include <eddy/task/task.hpp>

#pragma clang diagnostic error "-Wunused-result"

eddy::task<eddy::process::result<void>> wait_for(const eddy::process::child& one) {
#ifdef EDDY_CONTROL
    const auto status = co_await eddy::try_(one.wait());
    co_return status.check();
#else
    co_await eddy::try_(one.wait());
    co_return {};
#endif
}
