// An operation on files that is never used does nothing. The compiler warns about its variable.
//
// expect-error: unused variable
#include <string>

#include <eddy/fs/paths.hpp>
#include <eddy/task/task.hpp>

#pragma GCC diagnostic error "-Wunused-variable"

eddy::task<> save(std::string text) {
    auto later = eddy::fs::write("file", text);
#ifdef EDDY_CONTROL
    static_cast<void>(co_await std::move(later));
#endif
    co_return;
}
