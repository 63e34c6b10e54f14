// With GCC 12, a lambda with captures that is spawned in a co_await expression would be destroyed twice.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: eddy: GCC 12 destroys the captures of a lambda twice if it is written in a co_await expression: name the future first, `auto task = eddy::spawn(...);`, and then await it
// only-error
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

#include <string>

eddy::task<int> use(std::string text) {
#ifdef EDDY_CONTROL
    auto task = eddy::spawn([text]() -> eddy::task<int> { co_return static_cast<int>(text.size()); });
    const auto got = co_await task;
#else
    const auto got = co_await eddy::spawn([text]() -> eddy::task<int> { co_return static_cast<int>(text.size()); });
#endif
    co_return got.value();
}
