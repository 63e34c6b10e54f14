// The same, for spawn_blocking and a combinator of its handle.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: eddy: GCC 12 destroys the captures of a lambda twice if it is written in a co_await expression: name the future first, `auto task = eddy::spawn(...);`, and then await it
// only-error
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>

#include <memory>

eddy::task<int> use(std::unique_ptr<int> p) {
    const auto code_of = [](const eddy::join_error&) { return 7; };
#ifdef EDDY_CONTROL
    auto work = eddy::spawn_blocking([p = std::move(p)] { return *p; }).map_err(code_of);
    const auto got = co_await work;
#else
    const auto got = co_await eddy::spawn_blocking([p = std::move(p)] { return *p; }).map_err(code_of);
#endif
    co_return got.value();
}
