// A child object that is destroyed at once kills its process.
//
// only: clang
// expect-error: its destructor kills the process
// covers: P074
#include <eddy/process.hpp>
#include <eddy/task/task.hpp>

#pragma clang diagnostic error "-Wunused-result"

eddy::task<eddy::process::result<void>> start() {
#ifdef EDDY_CONTROL
    auto child = co_await eddy::try_(eddy::process::command("true").spawn());
    std::move(child).detach();
#else
    co_await eddy::try_(eddy::process::command("true").spawn());
#endif
    co_return {};
}
